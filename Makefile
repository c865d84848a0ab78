# SPDX-License-Identifier: Apache-2.0
#
# make            ./sqluice and libsqluice; installs nothing
# make demo       installs what is missing, builds, runs the sensor job on files and SQLite
# make test       installs what is missing, builds, runs the whole test suite
# make bench      throughput against simdjson and DuckDB
# make help       the other targets
#
# Everything that is made goes to $(BUILD); generated C is never committed. Each folder is a layer with an archive of its own, so that a
# unit test links no more than it tests.

BUILD    ?= build
CC       ?= cc
PREFIX   ?= /usr/local
VERSION  := 0.1.0
Q        := $(if $(V),,@)
comma    := ,

LAYERS   := base functions parser planner executor connectors api
SRC_base       := $(wildcard base/*.c)
SRC_functions  := $(wildcard functions/*.c)
SRC_parser     := $(wildcard parser/*.c)
GEN_parser     := $(BUILD)/parser/lexer.c $(BUILD)/parser/grammar.c
SRC_planner    := $(wildcard planner/*.c)
SRC_executor   := $(wildcard executor/*.c executor/*/*.c)
SRC_connectors := $(wildcard connectors/*.c connectors/*/*.c)
SRC_api        := $(wildcard api/*.c)
SRC_shell      := $(wildcard shell/*.c)
UNIT           := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

OPT      ?= -O2
WARN     := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith
SAN      ?=
DEBUG    ?=
FAULTS   ?=
CPPFLAGS += -I. -Iinclude -I$(BUILD) -D_GNU_SOURCE -DSQ_VERSION='"$(VERSION)"' $(if $(DEBUG),,-DNDEBUG) $(if $(FAULTS),-DSQ_FAULTS)
CFLAGS   += -std=c11 -g $(OPT) -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections $(WARN) $(SAN)
LDFLAGS  += $(SAN) -Wl,--gc-sections
LDLIBS   += -lutf8proc -lm -ldl -lpthread

# Build features: what is not installed when it is built is refused by name when a table or an expression wants it.
ifeq ($(shell pkg-config --exists libmariadb 2>/dev/null && echo yes),yes)
MYSQL    := -DSQ_HAVE_MYSQL $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libmariadb))
endif
HAVE_PCRE2 := $(shell pkg-config --exists libpcre2-8 2>/dev/null && echo 1)
CPPFLAGS   += $(if $(HAVE_PCRE2),-DSQ_HAVE_PCRE2)
HAVE_KAFKA := $(shell pkg-config --exists rdkafka 2>/dev/null && echo 1)
CPPFLAGS   += $(if $(HAVE_KAFKA),-DSQ_HAVE_KAFKA)
# The command (not the library: that takes its program's) uses mimalloc where it is there: Kafka's client hands every message from one thread to another,
# and glibc's allocator spends a third of the time on the locks of that.
MALLOC     := $(if $(SAN),,$(shell echo 'int main(void) { return 0; }' | $(CC) -x c - -lmimalloc -o /dev/null 2>/dev/null && echo -lmimalloc))

objs      = $(patsubst %.c,$(BUILD)/%.o,$(1))
OBJ_base       := $(call objs,$(SRC_base))
OBJ_functions  := $(call objs,$(SRC_functions))
OBJ_parser     := $(call objs,$(SRC_parser)) $(GEN_parser:.c=.o)
OBJ_planner    := $(call objs,$(SRC_planner))
OBJ_executor   := $(call objs,$(SRC_executor))
OBJ_connectors := $(call objs,$(SRC_connectors))
OBJ_api        := $(call objs,$(SRC_api))
OBJ_shell      := $(call objs,$(SRC_shell))
LIB_OBJ        := $(foreach l,$(LAYERS),$(OBJ_$(l)))
# gcc turns loops over vectors into vector instructions from here on only
$(call objs,functions/arith.c functions/cast.c functions/compare.c): OPT := $(if $(filter -O2,$(OPT)),-O3,$(OPT))

$(call objs,$(wildcard connectors/jdbc/mysql*.c)): CPPFLAGS += $(MYSQL)

.PHONY: all
all: $(BUILD)/.deps sqluice $(BUILD)/libsqluice.a $(BUILD)/libsqluice.so

define layer
$(BUILD)/lib_$(1).a: $$(OBJ_$(1))
	$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$(l))))

$(BUILD)/libsqluice.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/libsqluice.so: $(LIB_OBJ)
	@echo "LINK $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libsqluice.so.0 -o $@ $^ $(LDLIBS)

$(BUILD)/sqluice: $(OBJ_shell) $(BUILD)/libsqluice.a
	@echo "LINK $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(if $(MALLOC),-Wl$(comma)--no-as-needed $(MALLOC) -Wl$(comma)--as-needed) $(LDLIBS)

sqluice: $(BUILD)/sqluice
	$(Q)cp -f $< $@

# Once per build folder: says what is missing, by package, before the first compiler error does.
$(BUILD)/.deps: tools/deps
	@mkdir -p $(@D)
	$(Q)tools/deps check build && touch $@
$(LIB_OBJ) $(OBJ_shell) $(GEN_parser): | $(BUILD)/.deps

# Other flags, other objects: the stamp changes only when the flags do.
FLAGS := $(CC) $(CPPFLAGS) $(MYSQL) $(CFLAGS)
ifneq ($(file <$(BUILD)/.flags),$(FLAGS))
$(shell mkdir -p $(BUILD))
$(file >$(BUILD)/.flags,$(FLAGS))
endif
$(LIB_OBJ) $(OBJ_shell): $(BUILD)/.flags

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: $(BUILD)/%.c
	@echo "CC $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-conversion -Wno-unused-parameter -MMD -MP -c -o $@ $<

# ---- generated: the lexer and the grammar ----

$(BUILD)/parser/lexer.c: parser/lexer.re
	@mkdir -p $(@D)
	@echo "RE2C $<"
	$(Q)re2c -W -Werror --no-debug-info -i -o $@ $<

# lemon writes beside its input, so it works on a copy
$(BUILD)/parser/grammar.c: parser/grammar.y
	@mkdir -p $(@D)
	@echo "LEMON $<"
	$(Q)cp $< $(@D)/grammar.y && lemon -q -d$(@D) $(@D)/grammar.y
$(BUILD)/parser/grammar.h: $(BUILD)/parser/grammar.c ;
$(OBJ_parser): | $(BUILD)/parser/grammar.c

# ---- unit tests: each links the layers named in LAYERS_<test>, or all of them ----

LAYERS_test_base      := base
LAYERS_test_text      := base
LAYERS_test_number    := base
LAYERS_test_parser    := parser base
LAYERS_test_functions := functions base
LAYERS_test_cast      := functions base
LAYERS_test_agg       := functions base
LAYERS_test_json      := connectors base
LAYERS_test_csv       := connectors base
LAYERS_test_connectors := connectors base
LAYERS_test_fs_epochs := connectors base
LAYERS_test_fs_crash := connectors base
LAYERS_test_fs_partitions := connectors base
LAYERS_test_datagen    := connectors base
LAYERS_test_options   := connectors base
LAYERS_test_jdbc      := connectors base
LAYERS_test_jdbc_epochs := connectors base
LAYERS_test_kafka     := connectors base
LAYERS_test_kafka_read := connectors base
LAYERS_test_kafka_write := connectors base
LAYERS_test_executor  := executor functions base
LAYERS_test_normalize := executor functions base
LAYERS_test_window := executor functions base
LAYERS_test_time_join := executor functions base
LAYERS_test_runtime   := executor functions base
LAYERS_test_checkpoints := executor functions base
LAYERS_test_expr      := executor functions base
LAYERS_test_state     := executor functions base
LAYERS_test_store     := executor functions base
LAYERS_test_store_damage := executor functions base
LAYERS_test_store_faults := executor functions base
LAYERS_test_store_request := executor functions base

define unit
$(BUILD)/unit/$(1): $(BUILD)/tests/unit/$(1).o $$(foreach l,$$(or $$(LAYERS_$(1)),api planner executor connectors functions parser base),$(BUILD)/lib_$$(l).a)
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LDLIBS) -lcmocka
endef
$(foreach t,$(UNIT),$(eval $(call unit,$(t))))

# Calls the writer of a connector as the runtime does, for system tests.
$(BUILD)/tests/services/sink: $(BUILD)/tests/services/sink.o $(BUILD)/lib_connectors.a $(BUILD)/lib_base.a
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

# ---- the sanitizer build: the same sources, with assertions and fault points, in a folder of its own ----

ASAN_FLAGS := DEBUG=1 FAULTS=1 OPT=-O1 SAN='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
.PHONY: unit units asan tsan
units: $(addprefix $(BUILD)/unit/,$(UNIT))
asan:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/asan $(ASAN_FLAGS) units $(BUILD)/asan/sqluice $(BUILD)/asan/tests/services/sink $(BUILD)/asan/tests/services/jdbc_sink

# ---- the thread sanitizer: the same, with the tests that have workers ----

TSAN_FLAGS := OPT=-O1 DEBUG=1 SAN='-fsanitize=thread -fno-omit-frame-pointer'
.PHONY: tsan
tsan:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan $(TSAN_FLAGS) $(addprefix $(BUILD)/tsan/unit/,test_workers test_runtime test_watermark test_checkpoints test_jobs test_epochs) $(BUILD)/tsan/sqluice

# ---- builds with fault points (base/fault.h): the command to be killed; to have its calls fail there is the one under ASan and UBSan ----

.PHONY: faults torture crash stress
faults:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/faults FAULTS=1 DEBUG=1 $(BUILD)/faults/sqluice

crash: deps-build
	$(Q)tools/deps install test services
	$(Q)$(MAKE) --no-print-directory all faults $(BUILD)/tests/services/produce $(BUILD)/tests/services/consume
	$(Q)SQLUICE_BUILD=$(abspath $(BUILD)) tests/crash/crash.py
	$(Q)SQLUICE_BUILD=$(abspath $(BUILD)) tests/crash/transfers.py

torture: deps-build
	$(Q)tools/deps install test
	$(Q)$(MAKE) --no-print-directory all asan
	$(Q)SQLUICE_BUILD=$(abspath $(BUILD)) tests/torture/torture.py

stress: deps-build
	$(Q)tools/deps install test services
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/tests/services/produce
	$(Q)STRESS=40 SQLUICE_BUILD=$(abspath $(BUILD)) python3 tests/system/test_stress.py

# ---- fuzz targets: clang's libFuzzer over the library's own sources ----

FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
LAYERS_fuzz_sql  := parser base
LAYERS_fuzz_json := connectors base
LAYERS_fuzz_csv  := connectors base
LAYERS_fuzz_checkpoint := executor functions base
.PHONY: fuzzers
fuzzers:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang DEBUG=1 OPT=-O1 \
	    SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' $(addprefix $(BUILD)/fuzz/,$(FUZZ))
define fuzzer
$(BUILD)/$(1): $(BUILD)/tests/fuzz/$(1).o $$(foreach l,$$(LAYERS_$(1)),$(BUILD)/lib_$$(l).a)
	$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -fsanitize=fuzzer -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LDLIBS) -ljansson
endef
$(foreach f,$(FUZZ),$(eval $(call fuzzer,$(f))))

# ---- what people run ----

.PHONY: deps-build demo demo-windows demo-kafka demo-handover test bench check tidy install uninstall help
deps-build:
	$(Q)tools/deps install build features run

demo: deps-build
	$(Q)$(MAKE) --no-print-directory all
	$(Q)sql/demo

demo-windows: deps-build
	$(Q)$(MAKE) --no-print-directory all
	$(Q)sql/demo-windows

demo-kafka: deps-build
	$(Q)tools/deps install services
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/tests/services/produce
	$(Q)sql/demo-kafka

demo-handover: deps-build
	$(Q)tools/deps install services
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/tests/services/produce $(BUILD)/tests/services/consume
	$(Q)sql/demo-handover

test: deps-build
	$(Q)tools/deps install test services
	$(Q)$(MAKE) --no-print-directory check

check: all asan tsan faults fuzzers $(BUILD)/bench/measure $(BUILD)/bench/gen_readings $(if $(HAVE_KAFKA),$(BUILD)/tests/services/produce $(BUILD)/tests/services/consume)
	$(Q)tests/suite $(BUILD)

BENCH_ROWS ?= 10000000
BENCH := $(addprefix $(BUILD)/bench/,measure gen_readings json_simdjson store restore)
bench: deps-build
	$(Q)tools/deps install bench services
	$(Q)$(MAKE) --no-print-directory all $(BENCH) $(BUILD)/bench/kafka_consume $(BUILD)/bench/latency $(BUILD)/tests/services/produce $(BUILD)/tests/services/jdbc_sink
	$(Q)bench/run.py --build $(BUILD) --rows $(BENCH_ROWS)
	$(Q)bench/windows.py --build $(BUILD) --rows $(BENCH_ROWS)
	$(Q)bench/kafka.py --build $(BUILD)
	$(Q)$(BUILD)/bench/store $(BUILD)
	$(Q)bench/checkpoints.py --build $(BUILD)
	$(Q)bench/latency.py --build $(BUILD)
	$(Q)bench/jdbc.py --build $(BUILD)

# Asks a real Flink again for every answer that is kept in tests/diff (downloads Flink, 300 MB, once).
.PHONY: diff
diff: deps-build
	$(Q)tools/deps install flink
	$(Q)tools/deps install services
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/tests/services/produce
	$(Q)tests/diff/ask_flink.py --deps $(BUILD)/deps
	$(Q)SQLUICE_BUILD=$(abspath $(BUILD)) tests/diff/sensor_on_flink.py --deps $(BUILD)/deps

$(BUILD)/bench/measure $(BUILD)/bench/gen_readings: $(BUILD)/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $< -lm
$(BUILD)/tests/services/produce $(BUILD)/tests/services/consume $(BUILD)/bench/kafka_consume $(BUILD)/bench/latency: $(BUILD)/%: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(if $(HAVE_KAFKA),-lrdkafka)
$(BUILD)/tests/services/jdbc_sink: $(BUILD)/tests/services/jdbc_sink.o $(BUILD)/lib_connectors.a $(BUILD)/lib_base.a
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)
$(BUILD)/bench/store $(BUILD)/bench/restore: $(BUILD)/bench/%: $(BUILD)/bench/%.o $(foreach l,executor functions base,$(BUILD)/lib_$(l).a)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)
$(BUILD)/bench/json_simdjson: bench/json_simdjson.cc
	@mkdir -p $(@D)
	$(Q)$(CXX) -O3 -std=c++17 -march=native -o $@ $< -lsimdjson

tidy:
	$(Q)tools/tidy

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 sqluice $(DESTDIR)$(PREFIX)/bin/sqluice
	install -m 644 include/sqluice.h $(DESTDIR)$(PREFIX)/include/sqluice.h
	install -m 644 $(BUILD)/libsqluice.a $(DESTDIR)$(PREFIX)/lib/libsqluice.a
	install -m 755 $(BUILD)/libsqluice.so $(DESTDIR)$(PREFIX)/lib/libsqluice.so.0
	ln -sf libsqluice.so.0 $(DESTDIR)$(PREFIX)/lib/libsqluice.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|; s|@LIBS@|$(LDLIBS)|' include/sqluice.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/sqluice.pc

uninstall:
	cd $(DESTDIR)$(PREFIX) && rm -f bin/sqluice include/sqluice.h lib/libsqluice.a lib/libsqluice.so lib/libsqluice.so.0 lib/pkgconfig/sqluice.pc

help:
	@sed -n '3,/^$$/p' Makefile | sed 's/^# \{0,1\}//'
	@echo "make demo-windows two streams joined by the minute into SQLite"
	@echo "make demo-kafka the user's job, unchanged, on a real Kafka broker and a real MariaDB, started and stopped"
	@echo "make demo-handover  files, a stream and a report, joined by two topics of a real Kafka broker"
	@echo "make check      the test suite without installing anything"
	@echo "make asan       the library, the command and the unit tests under ASan and UBSan, in $(BUILD)/asan"
	@echo "make tsan       the command and the tests of workers under TSan, in $(BUILD)/tsan"
	@echo "make faults     the command with fault points (base/fault.h), in $(BUILD)/faults"
	@echo "make crash      jobs are killed some thousand times, their broker and database too; no row is lost or doubled"
	@echo "make torture    the n-th allocation, read, write, fsync … of small jobs fails, for every n"
	@echo "make stress     10 M keys, 100,000 open windows, a partition that stands still, times that jump"
	@echo "make diff       ask a real Flink again for the answers in tests/diff"
	@echo "make fuzzers    the fuzz targets, in $(BUILD)/fuzz"
	@echo "make tidy       layering, banned calls, sizes"
	@echo "make install    PREFIX=$(PREFIX), DESTDIR"
	@echo "make clean"

.PHONY: clean
clean:
	rm -rf build sqluice

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
