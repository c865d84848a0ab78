/* SPDX-License-Identifier: Apache-2.0
 *
 * mysql_api.c: opens libmariadb with dlopen and fills the table of its functions, as base/sqlite.c does. The library stays mapped once
 * it was used (RTLD_NODELETE), for it keeps state of its own; initializing that state is not safe in several threads at once, so a
 * lock is around it: the one variable here that lives as long as the process, and it holds no data.
 */
#ifdef SQ_HAVE_MYSQL
#include "connectors/jdbc/mysql_api.h"

#include <dlfcn.h>
#include <pthread.h>

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;

static sq_rc find_calls(struct sq_ctx *ctx, struct sq_mysql *m)
{
    static const char *const names[] = {
        "mysql_errno",
#define NAME(f) "mysql_" #f,
        SQ_MYSQL_CALLS(NAME)
#undef NAME
    };
    void **slots[] = {
        (void **)(void *)&m->code,
#define SLOT(f) (void **)(void *)&m->f,
        SQ_MYSQL_CALLS(SLOT)
#undef SLOT
    };
    for (size_t i = 0; i < SQ_LEN(names); i++) {
        *slots[i] = dlsym(m->library, names[i]);
        if (!*slots[i])
            return sq_fail(ctx, SQ_EXTERNAL, "the library libmariadb.so.3 has no function %s", names[i]);
    }
    return SQ_OK;
}

sq_rc sq_mysql_load(struct sq_ctx *ctx, struct sq_mysql *m)
{
    m->library = dlopen("libmariadb.so.3", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!m->library) {
        sq_fail(ctx, SQ_EXTERNAL, "tables of 'jdbc:mysql:' and 'jdbc:mariadb:' need the library libmariadb.so.3, which is not installed");
        return sq_hint(ctx, "on Debian: apt-get install libmariadb3");
    }
    sq_rc rc = find_calls(ctx, m);
    if (rc == SQ_OK) {
        pthread_mutex_lock(&starting);
        int e = m->server_init(0, NULL, NULL);
        pthread_mutex_unlock(&starting);
        if (e != 0)
            rc = sq_fail(ctx, SQ_EXTERNAL, "the library libmariadb.so.3 does not start");
    }
    if (rc != SQ_OK)
        sq_mysql_unload(m);
    return rc;
}

void sq_mysql_unload(struct sq_mysql *m)
{
    if (m->library)
        dlclose(m->library);
    m->library = NULL;
}
#else
typedef int sq_mysql_is_not_built;       /* a file holds something */
#endif
