/*
 * Live events of jobs. A job that is at work changes more often than anybody can read, and most
 * changes are gone before they could be shown: its latest state is told every NEWS_USEC by one
 * thread. Invariant: what a job is when it is given back is told at once, and nothing older after
 * it.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "job/job_priv.h"
#include "model/policy.h"

static char *event_text(const struct job *j)
{
    AUTO(buf) struct buf b = BUF(16 * 1024);
    struct json_writer w = JSON_WRITER(&b);
    jw_object(&w);
    jw_kstr(&w, "event", "job");
    jw_ki64(&w, "id", j->id);
    jw_kstr(&w, "kind", j->kind);
    jw_kstr(&w, "subject", j->subject);
    jw_kstr(&w, "step", j->step);
    jw_kstr(&w, "state", job_state_name(j->state));
    jw_key(&w, "activity");
    jw_object(&w);
    jw_kstr(&w, "en", j->activity_en);
    jw_kstr(&w, "ja", j->activity_ja);
    jw_end_object(&w);
    jw_ktime(&w, "run_at", j->run_at);
    jw_end_object(&w);
    return b.bad == RC_OK ? mem_strdup(buf_cstr(&b)) : NULL;
}

/* The worker's news becomes text; what it was is to be freed. With engine.lock held. */
static char *replace(struct worker *w, char *text)
{
    char *old = w->news;
    w->news = text;
    return old;
}

static void tell_now(struct worker *w, char *text)
{
    struct engine *e = w->e;
    pthread_mutex_lock(&e->tell);
    pthread_mutex_lock(&e->lock);
    char *old = replace(w, NULL);
    pthread_mutex_unlock(&e->lock);
    e->o.on_event(e->o.on_event_ctx, text);
    pthread_mutex_unlock(&e->tell);
    mem_free(old);
    mem_free(text);
}

static void tell_soon(struct worker *w, char *text)
{
    struct engine *e = w->e;
    pthread_mutex_lock(&e->lock);
    char *old = replace(w, text);
    if (!e->any_news)
        pthread_cond_signal(&e->news);
    e->any_news = true;
    pthread_mutex_unlock(&e->lock);
    mem_free(old);
}

void news_job(struct run *r)
{
    if (!r->e->o.on_event)
        return;
    char *text = event_text(&r->job);
    if (!text)
        return;
    if (r->job.state == JOB_RUNNING)
        tell_soon(r->w, text);
    else
        tell_now(r->w, text);
}

static void tell_all(struct engine *e)
{
    pthread_mutex_lock(&e->tell);
    for (int i = 0; i < e->o.threads; i++) {
        pthread_mutex_lock(&e->lock);
        char *text = replace(&e->workers[i], NULL);
        pthread_mutex_unlock(&e->lock);
        if (text)
            e->o.on_event(e->o.on_event_ctx, text);
        mem_free(text);
    }
    pthread_mutex_unlock(&e->tell);
}

static bool over(struct engine *e)
{
    return atomic_load(&e->stop) || atomic_load(&e->dead);
}

static void *teller_run(void *arg)
{
    struct engine *e = arg;
    pthread_mutex_lock(&e->lock);
    while (!over(e)) {
        struct timespec until;
        int rc = 0;
        if (!e->any_news) {
            pthread_cond_wait(&e->news, &e->lock);
            continue;
        }
        engine_after(&until, NEWS_USEC);
        while (rc == 0 && !over(e))
            rc = pthread_cond_timedwait(&e->news, &e->lock, &until);
        e->any_news = false;
        pthread_mutex_unlock(&e->lock);
        tell_all(e);
        pthread_mutex_lock(&e->lock);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

int news_start(struct engine *e)
{
    int bad = e->o.on_event ? pthread_create(&e->teller, NULL, teller_run, e) : 0;
    e->teller_started = e->o.on_event && bad == 0;
    return bad;
}

void news_stop(struct engine *e)
{
    if (e->teller_started)
        (void)pthread_join(e->teller, NULL);
    for (int i = 0; e->workers && i < e->o.threads; i++)
        mem_free(replace(&e->workers[i], NULL));
}
