#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/setup.h"
#include "config/schema.h"
#include "config/setup_file.h"

/* One thing that is asked for. */
struct question {
    const char *setting, *option;
    const char *name; /* how it is called in what is said */
    const char *text; /* of the question, before its default */
    int (*read)(char **value, const char *text, struct err *err); /* NULL value: none */
    const char *example;
    bool hidden; /* its path is nobody's business */
};

static bool is_none(const char *text)
{
    return strcasecmp(text, "none") == 0;
}

/* Whoever answers "y" does not mean https://y/, which no phone finds. */
static int check_name(const char *url_text, struct err *err)
{
    struct url url;
    if (url_parse(&url, url_text, err) != 0)
        return err->code;
    const char *name = strstr(url_text, "://") + strlen("://");
    size_t length = strcspn(name, "/?#");
    bool whole = url.is_ipv6 || memchr(name, '.', length) || url_is_this_machine(&url);
    if (!whole)
        err_set(err, ERR_INVALID,
                "no phone finds \"%s\"; a name that it finds has a dot in it, as "
                "push.example.org has",
                url.host);
    url_fini(&url);
    return whole ? 0 : ERR_INVALID;
}

/* Molly takes nothing else. */
static int read_url(char **value, const char *text, struct err *err)
{
    if (strstr(text, "://") && !text_starts_nocase(text, "https://"))
        return err_set(err, ERR_INVALID, "Molly links with https:// addresses only");
    bool open = !strchr(text, '?') && text[0] && text[strlen(text) - 1] != '/';
    char *url = mem_format("%s%s%s", strstr(text, "://") ? "" : "https://", text, open ? "/" : "");
    if (check_name(url, err) != 0) {
        free(url);
        return err->code;
    }
    *value = url;
    return 0;
}

static int read_alert(char **value, const char *text, struct err *err)
{
    (void)err;
    *value = mem_text(text);
    return 0;
}

static const struct question questions[] = {
    {"web.public_url", "--url", "Public URL",
     "Public URL: the https address under which phones reach this server, or none (air-gapped)",
     read_url, "https://push.example.org/", false},
    {"alert.url", "--alert", "Alerts",
     "Alerts: an ntfy topic or another webhook that is told when something breaks, or none",
     read_alert, "https://ntfy.sh/my-alerts", true},
};

const char *setup_stronger(const struct setup *setup, const char *setting)
{
    const char *place = setup->config->places[schema_find(setting) - schema];
    bool weaker =
        config_is_of_package(setup->config, setting) || setup_file_decides(setup->config, setting);
    return weaker ? NULL : place;
}

static const char *value_in(const struct config *config, const struct question *question)
{
    return *(char *const *)((const char *)config + schema_find(question->setting)->offset);
}

static const char *value_now(const struct setup *setup, const struct question *question)
{
    return value_in(setup->config, question);
}

/* NULL is none; a slash at the end makes no other address. */
static bool is_same(const char *a, const char *b)
{
    size_t a_length = a ? strlen(a) : 0, b_length = b ? strlen(b) : 0;
    a_length -= a_length && a[a_length - 1] == '/';
    b_length -= b_length && b[b_length - 1] == '/';
    return a_length == b_length && strncmp(a ? a : "", b ? b : "", a_length) == 0;
}

/* As it may be shown; the caller frees it. */
static char *shown(const struct question *question, const char *value)
{
    struct url url;
    char origin[URL_ORIGIN_SIZE];
    if (!value || !question->hidden)
        return mem_text(value ? value : "none");
    if (url_parse(&url, value, NULL) != 0)
        return mem_text("hidden");
    url_origin(&url, origin);
    bool whole = strcmp(url.target, "/") == 0;
    url_fini(&url);
    return mem_format("%s%s", origin, whole ? "" : "/...");
}

/* None is what it is without a line, unless the package has set something. That there is no public
 * URL is an answer all the same: the doctor tells by it how phones are to be linked. */
static const char *none_of(const struct setup *setup, const char *setting)
{
    bool is_answer = strcmp(setting, "web.public_url") == 0;
    return is_answer || config_is_of_package(setup->config, setting) ? "" : NULL;
}

static int take(struct setup *setup, const struct question *question, const char *text,
                struct err *err)
{
    char *value = NULL;
    int result = is_none(text) ? 0 : question->read(&value, text, err);
    const char *line = value ? value : none_of(setup, question->setting);
    if (result == 0)
        result = setup_file_set(setup->answers, question->setting, line, err);
    bool is_new = line && !setup_file_decides(setup->config, question->setting);
    if (result == 0)
        setup->changed |= is_new || !is_same(value, value_now(setup, question));
    mem_free_secret(value);
    return result;
}

/* Somebody else has said it already. */
static int keep(const struct setup *setup, const struct question *question, const char *given,
                const char *place, struct err *err)
{
    const char *now = value_now(setup, question);
    char *value = NULL;
    int result = given && !is_none(given) ? question->read(&value, given, err) : 0;
    bool same = !given || (result == 0 && is_same(value, now));
    mem_free_secret(value);
    if (!same)
        return err_set(err, ERR_INVALID,
                       "%s is something else than what %s says, which wins. Change it there, or "
                       "leave %s out.",
                       question->option, place, question->option);
    char *text = shown(question, now);
    setup_say("%s: %s (%s, set in %s).", question->name, text, question->setting, place);
    free(text);
    return 0;
}

/* What has just been taken, as it is kept. */
static void say_kept(const struct setup *setup, const struct question *question, const char *text)
{
    char *kept = shown(question, is_none(text) ? NULL : value_in(setup->answers, question));
    setup_say("%s: %s.", question->name, kept);
    free(kept);
}

static bool is_kept_as(const struct setup *setup, const struct question *question, const char *text)
{
    return is_none(text) || strcmp(text, value_in(setup->answers, question)) == 0;
}

/* Makes a whole sentence of what is wrong with it. */
static void refuse(const char *subject, const struct question *question, struct err *err)
{
    char *why = mem_text(err->text);
    err_set(err, err->code, "%s cannot be used: %s. It may be %s, or none.", subject, why,
            question->example);
    free(why);
}

static int ask(struct setup *setup, const struct question *question, struct err *err)
{
    char answer[SETUP_ANSWER_SIZE];
    const char *now = value_now(setup, question);
    char *standard = shown(question, now);
    char *text = mem_format("%s [%s]:", question->text, standard);
    int result;
    for (;;) {
        result = ERR_BUSY;
        if (!setup_ask(setup, text, answer))
            break;
        result = *answer ? take(setup, question, answer, err) : 0;
        if (result == 0)
            break;
        refuse("That", question, err);
        setup_say("%s", err->text);
    }
    if (result == 0 && *answer && !is_kept_as(setup, question, answer))
        say_kept(setup, question, answer);
    explicit_bzero(answer, sizeof answer);
    free(text);
    free(standard);
    return result;
}

static int take_given(struct setup *setup, const struct question *question, const char *given,
                      struct err *err)
{
    int result = take(setup, question, given, err);
    if (result == 0)
        say_kept(setup, question, given);
    else
        refuse(question->option, question, err);
    return result;
}

static int settle(struct setup *setup, const struct question *question, const char *given,
                  struct err *err)
{
    const char *place = setup_stronger(setup, question->setting);
    if (place)
        return keep(setup, question, given, place, err);
    if (!given && setup->asks)
        return ask(setup, question, err);
    if (given)
        return take_given(setup, question, given, err);
    char *text = shown(question, value_now(setup, question));
    setup_say("%s: %s.", question->name, text);
    free(text);
    return 0;
}

/* What forbids it is a whole sentence. */
static void refuse_allowance(struct err *err)
{
    char *why = mem_text(err->text);
    bool is_wrong = err->code == ERR_INVALID;
    err_set(err, err->code,
            is_wrong ? "--allow cannot be used: %s. It may be https://ntfy.lan." : "--allow: %s",
            why);
    free(why);
}

static int allow_given(struct setup *setup, struct err *err)
{
    for (size_t i = 0; i < setup->words.allow_count; i++) {
        const char *origin = setup->words.allow[i];
        if (setup_allow(setup, origin, err) != 0) {
            refuse_allowance(err);
            return err->code;
        }
        setup_say("Allowed push server: %s.", origin);
    }
    return 0;
}

static int settle_alerts(struct setup *setup, struct err *err)
{
    const char *given = setup->words.alert;
    if (!*setup->alerts_place)
        return settle(setup, &questions[1], given, err);
    if (given)
        return err_set(err, ERR_INVALID,
                       "The running server has alert.url from its own environment or command line "
                       "(%s), which wins. Change it there, or leave --alert out.",
                       setup->alerts_place);
    setup_say("Alerts: as the running server's own environment or command line says (%s).",
              setup->alerts_place);
    return 0;
}

int setup_questions(struct setup *setup, struct err *err)
{
    const char *url = setup->words.url;
    int result = 0;
    bool asked_in_vain = !setup->config->web_enabled;
    if (asked_in_vain && url && !is_none(url))
        return err_set(err, ERR_INVALID,
                       "--url: web.enabled is off, so that no phone can come in. Switch it on, or "
                       "leave --url out.");
    if (asked_in_vain)
        setup_say("No phone comes in by itself, because web.enabled is off (air-gapped).");
    else
        result = settle(setup, &questions[0], url, err);
    if (result == 0)
        result = settle_alerts(setup, err);
    return result == 0 ? allow_given(setup, err) : result;
}
