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
CPPFLAGS += -I. -Iinclude -I$(BUILD) -D_GNU_SOURCE -DSQ_VERSION='"$(VERSION)"' $(if $(DEBUG),,-DNDEBUG)
CFLAGS   += -std=c11 -g $(OPT) -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections $(WARN) $(SAN)
LDFLAGS  += $(SAN) -Wl,--gc-sections
LDLIBS   += -lm -ldl -lpthread

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

.PHONY: all
all: sqluice $(BUILD)/libsqluice.a $(BUILD)/libsqluice.so

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
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

sqluice: $(BUILD)/sqluice
	$(Q)cp -f $< $@

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
LAYERS_test_connectors := connectors base
LAYERS_test_options   := connectors base
LAYERS_test_executor  := executor functions base
LAYERS_test_expr      := executor functions base
LAYERS_test_state     := executor functions base

define unit
$(BUILD)/unit/$(1): $(BUILD)/tests/unit/$(1).o $$(foreach l,$$(or $$(LAYERS_$(1)),api planner executor connectors functions parser base),$(BUILD)/lib_$$(l).a)
	@mkdir -p $$(@D)
	$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LDLIBS) -lcmocka
endef
$(foreach t,$(UNIT),$(eval $(call unit,$(t))))

.PHONY: clean
clean:
	rm -rf build sqluice

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
