#include "push/verdict.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/text.h"

enum {
    FOREIGN_MAX = 60, /* characters of a server's own words */
    RETRY_AFTER_MAX_S = 3600,
    SKEW_S = 5 * 60,
    DAY_S = 24 * 3600,
    QUOTA_S = 5 * 60, /* after midnight UTC, when a daily quota has surely begun anew */
};

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define NEVER (-1)
#define JITTER_MAX (5 * MINUTE)

enum trait {
    SIGN_ANEW = 1,
    ORIGIN_TROUBLE = 2,
    TELL_ANSWER = 4, /* the server's own words help a person */
    TELL_CLOCK = 8,  /* so does the distance of the clocks */
    UNTIL_QUOTA = 16,
    DOUBTFUL = 32,
};

struct rule {
    int least, most;       /* status */
    int code;              /* ntfy's; 0: any */
    const char *phrase;    /* in the body, without regard to case; NULL: any */
    enum push_login login; /* only where the request had this; LOGIN_TOKEN: any */
    enum verdict_kind kind;
    unsigned traits;
    int64_t floor_ms, cap_ms;
    const char *meaning, *advice;
};

#define RANGE(from, to) .least = (from), .most = (to)
#define STATUS(status) RANGE(status, status)
#define BUG_ADVICE "Please report this fault of Doorbell"
#define CLOCK_MEANING "The push server finds our token's time wrong"
#define CLOCK_ADVICE "Set this machine's clock"
#define SCHEME_MEANING "The endpoint says http but the server speaks https"
#define SCHEME_ADVICE "Enter the server with https:// in the phone's UnifiedPush app"
#define LOGIN_MEANING "The push server refuses the Authorization that push.headers_file has for it"
#define LOGIN_ADVICE "Look whether what stands there is still valid and may publish"
#define CARRIED_MEANING                                                                            \
    "The push server refuses the user name and password that the endpoint carries"
#define CARRIED_ADVICE "Register with an endpoint whose login is valid and may publish"
#define EXEMPT_ADVICE "On your own ntfy put this machine into visitor-request-limit-exempt-hosts"
#define AGAIN_ADVICE "Open the app on the phone, it registers again"

/* push-measured.md section 5. The first that fits wins. ntfy and autopush name the reason in a JSON
 * body; gateways and proxies send none, or HTML. */
static const struct rule rules[] = {
    {RANGE(200, 299), .kind = VERDICT_ACCEPTED, .meaning = "Accepted"},
    {RANGE(300, 399), .kind = VERDICT_MISCONFIGURED, .floor_ms = HOUR,
     .meaning = "The push server redirects, and no push follows a redirect",
     .advice = "Enter the server's final address in the phone's UnifiedPush app"},

    {STATUS(400), .phrase = "HTTP request to an HTTPS server", /* Go: ntfy */
     .kind = VERDICT_MISCONFIGURED, .floor_ms = HOUR, .meaning = SCHEME_MEANING,
     .advice = SCHEME_ADVICE},
    {STATUS(400), .phrase = "HTTP request was sent to HTTPS port", /* nginx */
     .kind = VERDICT_MISCONFIGURED, .floor_ms = HOUR, .meaning = SCHEME_MEANING,
     .advice = SCHEME_ADVICE},
    {STATUS(400), .phrase = "plain HTTP to an SSL-enabled server", /* Apache */
     .kind = VERDICT_MISCONFIGURED, .floor_ms = HOUR, .meaning = SCHEME_MEANING,
     .advice = SCHEME_ADVICE},
    {STATUS(400), .kind = VERDICT_MISCONFIGURED, .traits = TELL_ANSWER, .floor_ms = HOUR,
     .meaning = "The push server finds our request wrong", .advice = BUG_ADVICE},

    /* A login of the operator's takes the place of our token, so neither that nor the phone is at
     * fault. About thirty wrong ones turn into 42909 for all endpoints. */
    {STATUS(401), .login = LOGIN_HEADERS_FILE, .kind = VERDICT_UNAUTHORIZED, .floor_ms = HOUR,
     .cap_ms = 6 * HOUR, .meaning = LOGIN_MEANING, .advice = LOGIN_ADVICE},
    {STATUS(403), .login = LOGIN_HEADERS_FILE, .kind = VERDICT_UNAUTHORIZED,
     .floor_ms = 15 * MINUTE, .cap_ms = 6 * HOUR, .meaning = LOGIN_MEANING, .advice = LOGIN_ADVICE},
    {STATUS(429), .code = 42909, .login = LOGIN_HEADERS_FILE, .kind = VERDICT_UNAUTHORIZED,
     .floor_ms = HOUR, .meaning = "The push server saw too many wrong logins from us",
     .advice = LOGIN_ADVICE},

    /* Likewise the endpoint's own. */
    {STATUS(401), .login = LOGIN_ENDPOINT, .kind = VERDICT_UNAUTHORIZED, .floor_ms = HOUR,
     .cap_ms = 6 * HOUR, .meaning = CARRIED_MEANING, .advice = CARRIED_ADVICE},
    {STATUS(403), .login = LOGIN_ENDPOINT, .kind = VERDICT_UNAUTHORIZED, .floor_ms = 15 * MINUTE,
     .cap_ms = 6 * HOUR, .meaning = CARRIED_MEANING, .advice = CARRIED_ADVICE},
    {STATUS(401), .code = 40101, .kind = VERDICT_UNAUTHORIZED, .floor_ms = HOUR, .cap_ms = 6 * HOUR,
     .meaning = "The push server refuses the login that the endpoint carries",
     .advice = "Register with an endpoint without auth= or user name"},
    {STATUS(401), .phrase = "ExpiredSignature", .kind = VERDICT_UNAUTHORIZED,
     .traits = SIGN_ANEW | TELL_CLOCK, .floor_ms = 15 * MINUTE, .cap_ms = 6 * HOUR,
     .meaning = CLOCK_MEANING, .advice = CLOCK_ADVICE},
    {STATUS(401), .phrase = "too long", .kind = VERDICT_UNAUTHORIZED,
     .traits = SIGN_ANEW | TELL_CLOCK, .floor_ms = 15 * MINUTE, .cap_ms = 6 * HOUR,
     .meaning = CLOCK_MEANING, .advice = CLOCK_ADVICE},
    {STATUS(401), .phrase = "mismatch", .kind = VERDICT_UNAUTHORIZED, .traits = TELL_CLOCK,
     .floor_ms = 15 * MINUTE, .cap_ms = 6 * HOUR,
     .meaning = "The endpoint was made for another VAPID key than ours",
     .advice = "Put the former VAPID key back (push.vapid_key_file), or link the phone again with "
               "this bridge's QR code"},
    {STATUS(401), .kind = VERDICT_UNAUTHORIZED, .traits = SIGN_ANEW | TELL_ANSWER | TELL_CLOCK,
     .floor_ms = 15 * MINUTE, .cap_ms = 6 * HOUR,
     .meaning = "The push server does not accept our VAPID token",
     .advice = "Check this machine's clock, or link the phone again"},
    {STATUS(403), .code = 40301, .kind = VERDICT_UNAUTHORIZED, .floor_ms = 15 * MINUTE,
     .cap_ms = 6 * HOUR, .meaning = "The push server's access list refuses us",
     .advice = "On it run: ntfy access '*' 'up*' write-only; or give us a token of its own in "
               "push.headers_file"},
    {STATUS(403), .kind = VERDICT_UNAUTHORIZED, .traits = SIGN_ANEW | TELL_ANSWER | TELL_CLOCK,
     .floor_ms = 15 * MINUTE, .cap_ms = 6 * HOUR,
     .meaning = "The push server, or a proxy before it, refuses us",
     .advice = "Look at its access rules; a login for us goes into push.headers_file"},

    {STATUS(404), .code = 40401, .kind = VERDICT_MISCONFIGURED, .floor_ms = NEVER,
     .meaning = "The endpoint is no topic of the push server", .advice = AGAIN_ADVICE},
    /* Gateways remember a 404 for ten minutes: what comes sooner learns nothing. */
    {STATUS(404), .kind = VERDICT_SUSPECT, .floor_ms = 11 * MINUTE, .cap_ms = 6 * HOUR,
     .meaning = "The push server does not know the endpoint, for now or for good",
     .advice = AGAIN_ADVICE},
    {STATUS(405), .kind = VERDICT_MISCONFIGURED, .floor_ms = HOUR,
     .meaning = "The endpoint takes no messages: it is not a push server's",
     .advice = AGAIN_ADVICE},
    {STATUS(408), .kind = VERDICT_RETRY, .meaning = "The push server was busy"},
    {STATUS(410), .kind = VERDICT_GONE, .floor_ms = NEVER,
     .meaning = "The endpoint is gone for good", .advice = AGAIN_ADVICE},
    {STATUS(413), .kind = VERDICT_MISCONFIGURED, .traits = TELL_ANSWER, .floor_ms = HOUR,
     .meaning = "The push server finds our message too long", .advice = BUG_ADVICE},
    {STATUS(425), .kind = VERDICT_RETRY, .meaning = "The push server was busy"},

    /* The phone's own requests come out of the same bucket: haste locks the phone out. */
    {STATUS(429), .code = 42901, .kind = VERDICT_RETRY, .floor_ms = MINUTE, .cap_ms = HOUR,
     .meaning = "The push server's request limit, ours or the phone's, is used up",
     .advice = EXEMPT_ADVICE},
    {STATUS(429), .code = 42904, .kind = VERDICT_MISCONFIGURED, .floor_ms = HOUR,
     .meaning = "The push server has no room for another topic",
     .advice = "On your own raise global-topic-limit in its server.yml, or use another server"},
    /* A phone with a new address has a new quota, so not only after midnight. */
    {STATUS(429), .code = 42908, .kind = VERDICT_RETRY, .traits = UNTIL_QUOTA,
     .meaning = "The daily quota at the push server is used up until 00:00 UTC",
     .advice = EXEMPT_ADVICE},
    {STATUS(429), .code = 42909, .kind = VERDICT_UNAUTHORIZED, .floor_ms = HOUR,
     .meaning = "The push server saw too many wrong logins from us",
     .advice = "Register with an endpoint without auth= or user name"},
    /* A gateway answers so for a minute whatever happens behind it. */
    {STATUS(429), .kind = VERDICT_RETRY, .floor_ms = 90 * SECOND, .cap_ms = HOUR,
     .meaning = "The push server wants fewer pushes"},
    {RANGE(400, 499), .kind = VERDICT_MISCONFIGURED, .traits = TELL_ANSWER, .floor_ms = HOUR,
     .meaning = "The push server refuses our request", .advice = "See its log"},

    {RANGE(502, 504), .kind = VERDICT_RETRY, .traits = ORIGIN_TROUBLE,
     .meaning = "The push server does not answer the proxy before it, or is overloaded",
     .advice = "Check that it runs"},
    /* Each one costs us a token, and sixty stop us for other phones that are away. */
    {STATUS(507), .kind = VERDICT_RETRY, .floor_ms = MINUTE, .cap_ms = HOUR,
     .meaning = "The phone is not connected to the push server",
     .advice = "Open its UnifiedPush app; ntfy needs topics of \"up\" and 12 characters"},
    /* Prosody answers so for a phone, autopush for its database. */
    {RANGE(500, 599), .kind = VERDICT_RETRY, .traits = DOUBTFUL,
     .meaning = "The push server failed, or the phone answered it with an error"},
};

static const struct rule nonsense = {.kind = VERDICT_RETRY,
                                     .meaning = "The push server answered with nonsense"};

static const struct rule failures[] = {
    [PUSH_NO_ADDRESS] = {.kind = VERDICT_RETRY,
                         .meaning = "The push server's name has no address",
                         .advice = "Check the name and this machine's DNS"},
    [PUSH_NO_CONNECT] = {.kind = VERDICT_RETRY,
                         .traits = ORIGIN_TROUBLE,
                         .meaning = "The push server cannot be reached",
                         .advice = "Check that it runs and that no firewall or ban is between"},
    [PUSH_NO_TLS] = {.kind = VERDICT_RETRY,
                     .traits = ORIGIN_TROUBLE,
                     .meaning = "No trusted TLS connection to the push server",
                     .advice = "Check its certificate; a CA of your own goes into push.ca_file"},
    [PUSH_UNTIMELY] = {.kind = VERDICT_RETRY,
                       .traits = ORIGIN_TROUBLE,
                       .meaning = "By this machine's clock the push server's certificate is not "
                                  "valid",
                       .advice = "Renew it, or check this machine's date and time"},
    /* It may have been accepted. Prosody holds the request while a phone is silent. */
    [PUSH_NO_ANSWER] = {.kind = VERDICT_RETRY,
                        .traits = DOUBTFUL,
                        .floor_ms = 2 * MINUTE,
                        .cap_ms = 15 * MINUTE,
                        .meaning = "The push server gave no answer in time; the phone may be "
                                   "offline"},
    [PUSH_BROKEN] = {.kind = VERDICT_RETRY,
                     .meaning = "The push server closed the connection without an answer"},
    [PUSH_FORBIDDEN] = {.kind = VERDICT_DENIED,
                        .floor_ms = 15 * MINUTE,
                        .cap_ms = 6 * HOUR,
                        .meaning = "This bridge's settings forbid the endpoint",
                        .advice = "See push.allowed_endpoints and push.denied"},
    /* A login page, a filter or a resolver that blocks may have answered for the name. Another try
     * asks it alone, and no push server. */
    [PUSH_ELSEWHERE] = {.kind = VERDICT_DENIED,
                        .meaning = "The push server's name has an address that this bridge's "
                                   "settings forbid",
                        .advice = "Add a server of your own to push.allowed_endpoints; is it none, "
                                  "check this machine's DNS"},
    [PUSH_OURS] = {.kind = VERDICT_MISCONFIGURED,
                   .meaning = "The push could not be made on this side",
                   .advice = "See the log"},
};

/* What a body says. */
struct told {
    int ntfy, autopush;              /* codes; 0: none */
    char text[VERDICT_BODY_MAX + 1]; /* all of it, printable, to look for phrases */
    char foreign[FOREIGN_MAX + 1];   /* its own words for a person */
};

/* ntfy: {"code":42901,"http":429,"error":"..."}; autopush: {"code":401,"errno":109,"message":"..."}
 */
static void take_json(struct told *told, const json_t *json, int status)
{
    json_int_t code = json_integer_value(json_object_get(json, "code"));
    json_int_t number = json_integer_value(json_object_get(json, "errno"));
    if (code / 100 == status)
        told->ntfy = (int)code;
    else if (number > 0 && number < 1000)
        told->autopush = (int)number;
    const json_t *words = json_object_get(json, "message");
    if (!json_is_string(words))
        words = json_object_get(json, "error");
    if (json_is_string(words))
        text_words(told->foreign, sizeof told->foreign, json_string_value(words),
                   json_string_length(words));
}

static void read_body(struct told *told, const struct push_answer *answer)
{
    told->ntfy = told->autopush = 0;
    told->text[0] = told->foreign[0] = '\0';
    if (!answer->body || answer->body_length == 0)
        return;
    size_t length = answer->body_length < VERDICT_BODY_MAX ? answer->body_length : VERDICT_BODY_MAX;
    text_printable(told->text, sizeof told->text, answer->body, length);
    json_t *json = json_loadb(answer->body, length, 0, NULL);
    if (json)
        take_json(told, json, answer->status);
    else if (answer->body[0] != '<') /* HTML says nothing in 60 characters */
        text_words(told->foreign, sizeof told->foreign, answer->body, length);
    json_decref(json);
}

/* Every row has a number, its cause; 0 stands for none. */
enum {
    RULES = sizeof rules / sizeof *rules,
    CAUSE_RULES = 1,
    CAUSE_NONSENSE = CAUSE_RULES + RULES,
    CAUSE_FAILURES,
    CAUSES = CAUSE_FAILURES + sizeof failures / sizeof *failures,
};
_Static_assert(CAUSES <= UINT8_MAX, "struct verdict has a byte for it");

static const struct rule *rule_of(unsigned cause)
{
    static const struct rule none;
    if (cause < CAUSE_RULES || cause >= CAUSES)
        return &none;
    if (cause >= CAUSE_FAILURES)
        return &failures[cause - CAUSE_FAILURES];
    return cause == CAUSE_NONSENSE ? &nonsense : &rules[cause - CAUSE_RULES];
}

static unsigned find_cause(int status, const struct told *told, enum push_login login)
{
    for (unsigned i = 0; i < RULES; i++) {
        const struct rule *rule = &rules[i];
        if (status < rule->least || status > rule->most)
            continue;
        if (rule->code && rule->code != told->ntfy)
            continue;
        if (rule->login != LOGIN_TOKEN && rule->login != login)
            continue;
        if (rule->phrase && !strcasestr(told->text, rule->phrase))
            continue;
        return CAUSE_RULES + i;
    }
    return CAUSE_NONSENSE;
}

/* One try an hour, the last of them just after the quota began anew. */
static int64_t quota_floor_ms(int64_t now_unix)
{
    int64_t left_s = (QUOTA_S - now_unix % DAY_S + DAY_S) % DAY_S;
    int64_t left_ms = (left_s ? left_s : DAY_S) * SECOND;
    if (left_ms < MINUTE)
        return MINUTE;
    return left_ms < HOUR ? left_ms : HOUR;
}

static int64_t retry_after_ms(int64_t seconds)
{
    if (seconds <= 0)
        return 0;
    return (seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) * SECOND;
}

static void format_code(char *text, size_t size, int status, const struct told *told)
{
    if (told->ntfy)
        snprintf(text, size, " (ntfy %d)", told->ntfy);
    else if (told->autopush)
        snprintf(text, size, " (%d, errno %d)", status, told->autopush);
    else
        snprintf(text, size, " (%d)", status);
}

/* Empty unless the clocks are more than a few minutes apart. */
static void format_skew(char *text, size_t size, int64_t date_unix, int64_t now_unix)
{
    text[0] = '\0';
    if (date_unix <= 0 || now_unix <= 0)
        return;
    int64_t ahead_s = date_unix - now_unix, apart_s = llabs(ahead_s);
    if (apart_s <= SKEW_S)
        return;
    char amount[TEXT_AMOUNT_SIZE];
    text_amount(amount, apart_s);
    snprintf(text, size, "; its clock is %s %s ours", amount, ahead_s > 0 ? "ahead of" : "behind");
}

static void write_text(struct verdict *verdict, const struct rule *rule, const char *code,
                       const char *foreign, const char *skew)
{
    const char *end = verdict->text + sizeof verdict->text;
    char *at = text_add(text_add(verdict->text, end, rule->meaning), end, code);
    if (*foreign)
        at = text_add(text_add(text_add(at, end, ": \""), end, foreign), end, "\"");
    at = text_add(at, end, skew);
    if (rule->advice)
        text_add(text_add(at, end, ". "), end, rule->advice);
}

static const struct rule *apply(struct verdict *verdict, unsigned cause)
{
    const struct rule *rule = rule_of(cause);
    verdict->cause = (uint8_t)cause;
    verdict->kind = rule->kind;
    verdict->floor_ms = rule->floor_ms;
    verdict->cap_ms = rule->cap_ms;
    verdict->sign_anew = rule->traits & SIGN_ANEW;
    verdict->origin_trouble = rule->traits & ORIGIN_TROUBLE;
    verdict->doubtful = rule->traits & DOUBTFUL;
    return rule;
}

static void judge_failure(struct verdict *verdict, enum push_failure failure)
{
    const struct rule *rule = apply(verdict, CAUSE_FAILURES + (unsigned)failure);
    if (failure == PUSH_NO_ANSWER)
        verdict->first_ms = 15 * SECOND;
    write_text(verdict, rule, "", "", "");
}

void verdict_judge(struct verdict *verdict, const struct push_answer *answer, int64_t now_unix)
{
    memset(verdict, 0, sizeof *verdict);
    if (answer->failure != PUSH_ANSWERED) {
        judge_failure(verdict, answer->failure);
        return;
    }
    struct told told;
    read_body(&told, answer);
    const struct rule *rule = apply(verdict, find_cause(answer->status, &told, answer->login));
    verdict->status = answer->status;
    verdict->retry_after_ms = retry_after_ms(answer->retry_after_s);
    if (rule->traits & UNTIL_QUOTA)
        verdict->floor_ms = quota_floor_ms(now_unix);
    char code[32], skew[64] = "";
    format_code(code, sizeof code, answer->status, &told);
    if (rule->traits & TELL_CLOCK)
        format_skew(skew, sizeof skew, answer->date_unix, now_unix);
    bool quoted = rule->traits & TELL_ANSWER && !answer->names_secret;
    write_text(verdict, rule, code, quoted ? told.foreign : "", skew);
}

/* Above what is demanded, never below it: an impatient retry prolongs a limit. */
static int64_t above(int64_t least_ms, uint32_t random)
{
    int64_t most_ms = least_ms / 4 < JITTER_MAX ? least_ms / 4 : JITTER_MAX;
    return backoff_jitter_ms(least_ms, least_ms + most_ms, random);
}

static int64_t own_wait_ms(const struct verdict *verdict, unsigned failures_before,
                           int64_t retry_min_ms, int64_t retry_max_ms, uint32_t random)
{
    unsigned doublings = failures_before;
    if (verdict->first_ms) {
        if (failures_before == 0)
            return backoff_jitter_ms(retry_min_ms, verdict->first_ms, random);
        doublings--;
    }
    if (verdict->floor_ms == 0)
        return backoff_jitter_ms(retry_min_ms,
                                 backoff_ceiling_ms(retry_min_ms, retry_max_ms, doublings), random);
    int64_t cap_ms = verdict->cap_ms ? verdict->cap_ms : verdict->floor_ms;
    return above(backoff_ceiling_ms(verdict->floor_ms, cap_ms, doublings), random);
}

int64_t verdict_wait_ms(const struct verdict *verdict, unsigned failures_before,
                        int64_t retry_min_ms, int64_t retry_max_ms, uint32_t random)
{
    if (verdict->floor_ms == NEVER)
        return INT64_MAX;
    int64_t wait_ms = own_wait_ms(verdict, failures_before, retry_min_ms, retry_max_ms, random);
    int64_t demanded_ms = above(verdict->retry_after_ms, random);
    return wait_ms > demanded_ms ? wait_ms : demanded_ms;
}

const char *verdict_kind_name(enum verdict_kind kind)
{
    static const char *const names[] = {
        [VERDICT_ACCEPTED] = "accepted",
        [VERDICT_RETRY] = "retry",
        [VERDICT_SUSPECT] = "suspect",
        [VERDICT_GONE] = "gone",
        [VERDICT_DENIED] = "denied",
        [VERDICT_UNAUTHORIZED] = "unauthorized",
        [VERDICT_MISCONFIGURED] = "misconfigured",
    };
    return names[kind];
}

const char *verdict_meaning(unsigned cause)
{
    return rule_of(cause)->meaning;
}

const char *verdict_advice(unsigned cause)
{
    return rule_of(cause)->advice;
}

bool verdict_is_of_own_login(unsigned cause)
{
    return rule_of(cause)->login == LOGIN_HEADERS_FILE;
}

bool verdict_needs_person(unsigned cause)
{
    enum verdict_kind kind = rule_of(cause)->kind;
    return kind == VERDICT_UNAUTHORIZED || kind == VERDICT_MISCONFIGURED;
}

unsigned verdict_cause_of_status(int status, enum push_login login)
{
    static const struct told nothing;
    return status ? find_cause(status, &nothing, login) : 0;
}

unsigned verdict_cause_of_failure(enum push_failure failure)
{
    return failure == PUSH_ANSWERED ? 0 : CAUSE_FAILURES + failure;
}

enum verdict_kind verdict_kind_of_status(int status)
{
    return rule_of(verdict_cause_of_status(status, LOGIN_TOKEN))->kind;
}
