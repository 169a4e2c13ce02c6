#include "doctor/report.h"

#include <string.h>
#include <time.h>

#include "base/terminal.h"
#include "base/text.h"

enum { WORDS_SIZE = 1024, TIME_SIZE = 48 };

static const struct {
    const char *word, *symbol;
} marks[] = {
    [SEVERITY_FAULT] = {"FAULT", "\u2717"},
    [SEVERITY_WARNING] = {"WARN ", "!"},
    [SEVERITY_UNCHECKED] = {"?    ", "?"},
    [SEVERITY_WELL] = {"ok   ", "\u2713"},
};

void report_print_finding(FILE *file, const struct finding *finding, bool symbols)
{
    char words[WORDS_SIZE];
    int indent = symbols ? 2 : 6;
    fprintf(file, "%s ", symbols ? marks[finding->severity].symbol : marks[finding->severity].word);
    snprintf(words, sizeof words, "%s: %s", finding->subject, finding->what);
    text_wrap(file, words, indent, indent, terminal_columns(file));
    if (!finding->fix[0])
        return;
    snprintf(words, sizeof words, "-> %s", finding->fix);
    fprintf(file, "%*s", indent, "");
    text_wrap(file, words, indent, indent, terminal_columns(file));
}

static size_t count(const struct findings *findings, enum severity severity)
{
    size_t found = 0;
    for (size_t i = 0; i < findings->count; i++)
        found += findings->items[i].severity == severity;
    return found;
}

static void print_end(FILE *file, const struct findings *findings)
{
    size_t faults = count(findings, SEVERITY_FAULT);
    fprintf(file, "\n");
    if (findings->left_out)
        fprintf(file, "%zu more findings were left out.\n", findings->left_out);
    char words[WORDS_SIZE];
    snprintf(words, sizeof words,
             "%zu fault%s found. Mend the first one first, then run this again.", faults,
             faults == 1 ? " was" : "s were");
    if (findings->has_fault)
        text_wrap(file, words, 0, 0, terminal_columns(file));
    else
        text_wrap(
            file,
            "No fault on this side of the path. If a phone stays silent all the same, look there: "
            "in Molly's Settings, Notifications, the delivery method is UnifiedPush; the "
            "distributor app (ntfy or the like) is connected to the same push server, and neither "
            "app is stopped by the phone's battery saver. \"doorbell connection ping ACCOUNT_ID\" "
            "sends a test.",
            0, 0, terminal_columns(file));
}

static const char *time_text(char text[TIME_SIZE], int64_t now_unix)
{
    time_t now = (time_t)now_unix;
    struct tm parts;
    text[0] = '\0';
    if (localtime_r(&now, &parts))
        strftime(text, TIME_SIZE, "%b %e %H:%M:%S, UTC%z", &parts);
    return text;
}

static void print_head(FILE *file, int64_t now_unix)
{
    char now[TIME_SIZE], words[WORDS_SIZE];
    snprintf(words, sizeof words,
             "Doorbell " DOORBELL_VERSION ", %s. No account, password or endpoint is named: this "
             "can be shown to whoever helps you.",
             time_text(now, now_unix));
    text_wrap(file, words, 0, 0, terminal_columns(file));
    fprintf(file, "\n");
}

void report_print(FILE *file, const struct findings *findings, int64_t now_unix, bool symbols)
{
    print_head(file, now_unix);
    for (size_t i = 0; i < findings->count; i++)
        report_print_finding(file, &findings->items[i], symbols);
    print_end(file, findings);
}

json_t *report_json(const struct findings *findings, int64_t now_unix)
{
    json_t *list = json_array();
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:o}", "severity", severity_name(finding->severity),
                            "subject", finding->subject, "what", finding->what, "fix",
                            finding->fix[0] ? json_string(finding->fix) : json_null()));
    }
    return json_pack("{s:b, s:s, s:I, s:i, s:o}", "well", !findings->has_fault, "version",
                     DOORBELL_VERSION, "at", (json_int_t)now_unix, "left_out",
                     (int)findings->left_out, "findings", list);
}
