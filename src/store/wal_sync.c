/*
 * Leader and followers: the first committer that finds no fdatasync running does one for all
 * commits written before it starts. Invariant: after a failed fdatasync the kernel may have
 * dropped the pages, so no later success proves anything; the failure is for good.
 */
#include "store/wal_sync.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

void wal_sync_init(struct wal_sync *w, int fd)
{
    *w = (struct wal_sync){.fd = fd};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->done, NULL);
}

void wal_sync_end(struct wal_sync *w)
{
    if (w->fd >= 0)
        close(w->fd);
    pthread_cond_destroy(&w->done);
    pthread_mutex_destroy(&w->lock);
}

uint64_t wal_sync_written(struct wal_sync *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t ticket = ++w->written;
    pthread_mutex_unlock(&w->lock);
    return ticket;
}

int wal_sync_failed(struct wal_sync *w)
{
    pthread_mutex_lock(&w->lock);
    int failed = w->failed;
    pthread_mutex_unlock(&w->lock);
    return failed;
}

static int sync_file(int fd)
{
    struct stat st;
    if (fdatasync(fd) != 0)
        return errno;
    /* A -wal file that has lost its name is not the one that will be read after a crash. */
    if (fstat(fd, &st) != 0)
        return errno;
    return st.st_nlink > 0 ? 0 : ESTALE;
}

int wal_sync_wait(struct wal_sync *w, uint64_t ticket)
{
    pthread_mutex_lock(&w->lock);
    while (w->synced < ticket && !w->failed) {
        if (w->syncing) {
            pthread_cond_wait(&w->done, &w->lock);
            continue;
        }
        w->syncing = true;
        uint64_t upto = w->written;
        pthread_mutex_unlock(&w->lock);
        int bad = sync_file(w->fd);
        pthread_mutex_lock(&w->lock);
        w->syncing = false;
        if (bad)
            w->failed = bad;
        else
            w->synced = upto;
        pthread_cond_broadcast(&w->done);
    }
    int failed = w->synced < ticket ? w->failed : 0;
    pthread_mutex_unlock(&w->lock);
    return failed;
}
