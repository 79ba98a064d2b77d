/*
 * Group commit: COMMIT writes to the -wal file without fsync; wal_sync_wait() returns once an
 * fdatasync that started after that write has finished. Committers that wait together share one.
 */
#ifndef INRO_STORE_WAL_SYNC_H
#define INRO_STORE_WAL_SYNC_H

#include <pthread.h>

#include "base/err.h"

struct wal_sync {
    pthread_mutex_t lock;
    pthread_cond_t done;
    uint64_t written, synced; /* commits written so far; of those, known durable */
    bool syncing;
    int failed; /* errno of a failed fdatasync: nothing after it can be trusted */
    int fd;     /* own descriptor of the -wal file; -1 = none */
};

void wal_sync_init(struct wal_sync *w, int fd);
void wal_sync_end(struct wal_sync *w);
uint64_t wal_sync_written(struct wal_sync *w); /* the ticket; call while the write lock is held */
int wal_sync_wait(struct wal_sync *w, uint64_t ticket); /* 0 or errno */
int wal_sync_failed(struct wal_sync *w);

#endif
