/*
 * Small durable transactions by many threads: store_commit [DIRECTORY] [THREADS] [SECONDS].
 * Prints commits per second and CPU per commit.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "store/repo.h"

struct worker {
    struct store *s;
    int64_t until, done;
    int no;
};

static int64_t mono(void)
{
    return clock_mono(clock_real());
}

static enum rc one(struct store *s, int no, int64_t i, struct err *err)
{
    AUTO(db) struct db *db = NULL;
    char key[48];
    snprintf(key, sizeof key, "bench.%d.%d", no, (int)(i % 1000));
    TRY(store_begin(s, &db, err));
    TRY(db_meta_set(db, key, "a value of some length, as a saved step has", err));
    return db_commit(&db, err);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct err err = {0};
    while (mono() < w->until) {
        if (one(w->s, w->no, w->done, &err) != RC_OK) {
            fprintf(stderr, "%s\n", err.en);
            break;
        }
        w->done++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    enum { MOST = 64 };
    int64_t threads = 16, seconds = 5, done = 0;
    struct worker w[MOST];
    pthread_t id[MOST];
    char url[512];
    struct err err = {0};
    struct store *s = NULL;
    if (argc > 2 && !str_to_i64(str_from(argv[2]), 1, MOST, &threads))
        return 2;
    if (argc > 3 && !str_to_i64(str_from(argv[3]), 1, 600, &seconds))
        return 2;
    snprintf(url, sizeof url, "sqlite:%s/store_commit.db", argc > 1 ? argv[1] : ".");
    if (store_open(url, &s, &err) != RC_OK || store_migrate(s, NULL, NULL, &err) != RC_OK) {
        fprintf(stderr, "%s\n", err.en);
        return 1;
    }
    int64_t start = mono();
    for (int i = 0; i < (int)threads; i++) {
        w[i] = (struct worker){s, start + seconds * USEC_PER_SEC, 0, i};
        if (pthread_create(&id[i], NULL, work, &w[i]) != 0)
            return 1;
    }
    for (int i = 0; i < (int)threads; i++) {
        pthread_join(id[i], NULL);
        done += w[i].done;
    }
    double wall = (double)(mono() - start) / 1e6;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                 (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    printf("threads %d: %.0f commits/s, %.3f ms CPU each\n", (int)threads, (double)done / wall,
           done ? cpu * 1000 / (double)done : 0.0);
    store_close(s);
    return 0;
}
