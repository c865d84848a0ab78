/* SPDX-License-Identifier: Apache-2.0
 *
 * event.c: sleeping until something happens.
 *
 * Who raises counts up and then looks whether somebody sleeps; who sleeps says so and then looks at the count: in one of the two orders one of them
 * sees the other, so nothing is missed. The lock is taken only when somebody sleeps.
 */
#include "executor/runtime/runtime.h"

#include <time.h>

void sq_event_init(struct sq_event *e)
{
    pthread_condattr_t attr;

    atomic_init(&e->count, 0);
    atomic_init(&e->sleeping, 0);
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&e->cond, &attr);
    pthread_condattr_destroy(&attr);
}

void sq_event_free(struct sq_event *e)
{
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->cond);
}

void sq_event_raise(struct sq_event *e)
{
    atomic_fetch_add(&e->count, 1);
    if (!atomic_load(&e->sleeping))
        return;
    pthread_mutex_lock(&e->lock);
    pthread_cond_broadcast(&e->cond);
    pthread_mutex_unlock(&e->lock);
}

void sq_event_wait(struct sq_event *e, uint32_t seen, int64_t us)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += us / 1000000;
    t.tv_nsec += us % 1000000 * 1000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&e->lock);
    atomic_store(&e->sleeping, 1);
    while (atomic_load(&e->count) == seen && pthread_cond_timedwait(&e->cond, &e->lock, &t) == 0)
        ;
    atomic_store(&e->sleeping, 0);
    pthread_mutex_unlock(&e->lock);
}
