/* SPDX-License-Identifier: Apache-2.0
 *
 * sqlite.c: opens libsqlite3 with dlopen and fills the table of its functions. Every connection has its own table; the
 * dynamic linker counts, so this is cheap, and there is no global state. The library stays mapped once it was used
 * (RTLD_NODELETE): it keeps memory of its own between connections.
 */
#include "base/sqlite.h"
#include "base/fault.h"

#include <dlfcn.h>

enum { OLDEST = 3024000 };              /* INSERT … ON CONFLICT */

sq_rc sq_sqlite_load(struct sq_ctx *ctx, struct sq_sqlite *s)
{
    static const char *const names[] = {
#define NAME(f) "sqlite3_" #f,
        SQ_SQLITE_CALLS(NAME)
#undef NAME
    };
    void **slots[] = {
#define SLOT(f) (void **)(void *)&s->f,
        SQ_SQLITE_CALLS(SLOT)
#undef SLOT
    };
    s->library = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!s->library) {
        sq_fail(ctx, SQ_EXTERNAL, "SQLite databases and checkpoints need the library libsqlite3.so.0, which is not installed");
        return sq_hint(ctx, "on Debian: apt-get install libsqlite3-0");
    }
    for (size_t i = 0; i < SQ_LEN(names); i++) {
        *slots[i] = dlsym(s->library, names[i]);
        if (!*slots[i]) {
            sq_sqlite_unload(s);
            return sq_fail(ctx, SQ_EXTERNAL, "the library libsqlite3.so.0 has no function %s", names[i]);
        }
    }
    if (s->libversion_number() < OLDEST) {
        sq_fail(ctx, SQ_EXTERNAL, "the library libsqlite3.so.0 has version %s; 3.24 or newer is needed", s->libversion());
        sq_sqlite_unload(s);
        return SQ_EXTERNAL;
    }
#ifdef SQ_FAULTS
    sq_fault_sqlite(ctx, s);
#endif
    return SQ_OK;
}

void sq_sqlite_unload(struct sq_sqlite *s)
{
    if (s->library)
        dlclose(s->library);
    s->library = NULL;
}
