#include "web/https.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "web/certificate.h"
#include "web/http1.h"

enum {
    LOOK_MS = 500,
    RETRY_MS = 60 * 1000,
    DAY_S = 24 * 60 * 60,
    ENDS_SOON_S = 14 * DAY_S, /* whatever renews certificates has failed for weeks by then */
};

enum end { END_FAR, END_NEAR, END_PASSED };

struct https {
    struct loop *loop;
    struct gate *gate;
    exchange_handler *handler;
    void *arg;
    int64_t timeout_ms;
    /* A libmicrohttpd server has one certificate for life. */
    struct http1 *current, *former; /* `former`, if any, gets no new connections */
    char *cert_path, *key_path, *chain;
    int64_t ends_unix;
    enum end told;
    struct certificate_mark judged; /* files that were taken or refused */
    struct certificate_mark seen;   /* at the last look */
    int64_t looked_ms;
};

/* The end of the certificate */

static enum end end_of(const struct https *https, int64_t now_unix)
{
    if (now_unix >= https->ends_unix)
        return END_PASSED;
    return now_unix >= https->ends_unix - ENDS_SOON_S ? END_NEAR : END_FAR;
}

static void date_of(char date[32], int64_t unix_s)
{
    struct tm parts;
    time_t seconds = (time_t)unix_s;
    gmtime_r(&seconds, &parts);
    strftime(date, 32, "%Y-%m-%d", &parts);
}

static void tell_end(struct https *https)
{
    int64_t now_unix = clock_unix();
    enum end end = end_of(https, now_unix);
    char date[32];
    date_of(date, https->ends_unix);
    if (end == END_PASSED && https->told != end)
        log_warn("The certificate of web.tls_cert has ended on %s: phones and browsers refuse this "
                 "server. Renew it; the new files are taken without a restart.",
                 date);
    if (end == END_NEAR && https->told == END_FAR)
        log_warn("The certificate of web.tls_cert ends on %s, in %lld days: whatever renews it "
                 "should have done so. The new files are taken without a restart.",
                 date, (long long)((https->ends_unix - now_unix) / DAY_S));
    if (end > https->told)
        https->told = end;
}

/* The pair */

static void use(struct https *https, struct http1 *carrier, const struct certificate *certificate)
{
    http1_set_timeout(carrier, https->timeout_ms);
    http1_free(https->former);
    https->former = https->current;
    https->current = carrier;
    free(https->chain);
    https->chain = mem_text(certificate->chain);
    https->ends_unix = certificate->ends_unix;
    https->told = END_FAR;
    if (certificate->key_is_open)
        log_warn("The private key in %s (web.tls_key) is open to every user of this machine; run: "
                 "chmod o= %s",
                 https->key_path, https->key_path);
    tell_end(https);
}

/* Too few descriptors, perhaps: the files are good, and are not to wait until they change. */
static void try_later(struct https *https, struct err *err)
{
    err_prefix(err, "web.tls_cert");
    memset(&https->judged, 0, sizeof https->judged);
    https->looked_ms = loop_now_ms(https->loop) + RETRY_MS;
}

/* 1: the certificate is the one in use. */
static int take(struct https *https, struct err *err)
{
    certificate_mark(&https->judged, https->cert_path, https->key_path);
    https->seen = https->judged;
    struct certificate *certificate = certificate_load(https->cert_path, https->key_path, err);
    if (!certificate)
        return ERR_INVALID;
    bool is_known = https->chain && strcmp(https->chain, certificate->chain) == 0;
    struct http1 *carrier = is_known ? NULL
                                     : http1_new(https->loop, https->gate, https->handler,
                                                 https->arg, certificate, err);
    if (carrier)
        use(https, carrier, certificate);
    else if (!is_known)
        try_later(https, err);
    certificate_free(certificate);
    return is_known ? 1 : carrier ? 0 : ERR_IO;
}

static void take_anew(struct https *https)
{
    struct err err;
    char date[32];
    int result = take(https, &err);
    if (result < 0) {
        log_error("The new certificate is not used, the former one stays: %s.", err.text);
        return;
    }
    date_of(date, https->ends_unix);
    if (result == 0)
        log_info("The new certificate of web.tls_cert is in use; it ends on %s.", date);
}

static void set_paths(struct https *https, const char *cert_path, const char *key_path)
{
    free(https->cert_path);
    free(https->key_path);
    https->cert_path = mem_text(cert_path);
    https->key_path = mem_text(key_path);
}

void https_reload(struct https *https, const char *cert_path, const char *key_path)
{
    set_paths(https, cert_path, key_path);
    take_anew(https);
}

/* Two files never change at the same moment, and one may be half written: they are read when they
 * look as they did at the last look. */
static void look_at_files(struct https *https)
{
    struct certificate_mark now;
    certificate_mark(&now, https->cert_path, https->key_path);
    bool stands_still = certificate_mark_is(&now, &https->seen);
    https->seen = now;
    if (stands_still && !certificate_mark_is(&now, &https->judged))
        take_anew(https);
}

void https_look(struct https *https)
{
    int64_t now_ms = loop_now_ms(https->loop);
    if (now_ms - https->looked_ms < LOOK_MS)
        return;
    https->looked_ms = now_ms;
    look_at_files(https);
    tell_end(https);
}

int64_t https_ends_unix(const struct https *https)
{
    return https->ends_unix;
}

/* Life */

struct https *https_new(struct loop *loop, struct gate *gate, exchange_handler *handler, void *arg,
                        const char *cert_path, const char *key_path, struct err *err)
{
    struct https *https = mem_new(sizeof *https);
    https->loop = loop;
    https->gate = gate;
    https->handler = handler;
    https->arg = arg;
    set_paths(https, cert_path, key_path);
    if (take(https, err) == 0)
        return https;
    https_free(https);
    return NULL;
}

void https_free(struct https *https)
{
    if (!https)
        return;
    http1_free(https->former);
    http1_free(https->current);
    free(https->cert_path);
    free(https->key_path);
    free(https->chain);
    free(https);
}

void https_set_timeout(struct https *https, int64_t timeout_ms)
{
    https->timeout_ms = timeout_ms;
    http1_set_timeout(https->current, timeout_ms);
    if (https->former)
        http1_set_timeout(https->former, timeout_ms);
}

/* Connections */

void https_add(struct https *https, int fd, const struct address *peer)
{
    http1_add(https->current, fd, peer);
}

/* The former one's are older, as a rule; it is empty soon. */
static struct http1 *with_oldest(const struct https *https)
{
    struct http1 *former = https->former;
    if (former && http1_waiting_since_ms(former) < http1_waiting_since_ms(https->current))
        return former;
    return https->current;
}

bool https_make_room(struct https *https)
{
    return http1_make_room(with_oldest(https));
}

int64_t https_waiting_since_ms(const struct https *https)
{
    return http1_waiting_since_ms(with_oldest(https));
}
