#include "doctor/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

void findings_add(struct findings *findings, enum severity severity, const char *subject,
                  const char *fix, const char *what, ...)
{
    findings->has_fault |= severity == SEVERITY_FAULT;
    if (findings->count == FINDINGS_MOST) {
        findings->left_out++;
        return;
    }
    char text[FINDING_WHAT_SIZE];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    struct finding *finding = &findings->items[findings->count++];
    *finding = (struct finding){.severity = severity, .subject = subject};
    text_printable(finding->what, sizeof finding->what, text, strlen(text));
    if (fix)
        text_printable(finding->fix, sizeof finding->fix, fix, strlen(fix));
}

static void soften(struct finding *finding, enum severity severity, const char *because,
                   const char *fix)
{
    size_t length = strlen(finding->what);
    length -= length && finding->what[length - 1] == '.';
    finding->severity = severity;
    snprintf(finding->what + length, sizeof finding->what - length, "; %s.", because);
    if (fix)
        snprintf(finding->fix, sizeof finding->fix, "%s", fix);
}

void findings_soften(struct findings *findings, size_t first, bool had_fault,
                     enum severity severity, const char *because, const char *fix)
{
    findings->has_fault = had_fault;
    for (size_t i = first; i < findings->count; i++) {
        if (findings->items[i].severity < severity)
            soften(&findings->items[i], severity, because, fix);
        findings->has_fault |= findings->items[i].severity == SEVERITY_FAULT;
    }
}

/* Few, and each is moved once. */
void findings_sort(struct findings *findings)
{
    for (size_t i = 1; i < findings->count; i++) {
        struct finding moved = findings->items[i];
        size_t at = i;
        for (; at > 0 && findings->items[at - 1].severity > moved.severity; at--)
            findings->items[at] = findings->items[at - 1];
        findings->items[at] = moved;
    }
}

const char *findings_time(char text[FINDING_TIME_SIZE], int64_t unix_s)
{
    time_t at = (time_t)unix_s;
    struct tm then;
    snprintf(text, FINDING_TIME_SIZE, "never");
    if (unix_s && localtime_r(&at, &then))
        strftime(text, FINDING_TIME_SIZE, "%b %e %H:%M:%S", &then);
    return text;
}

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {[SEVERITY_FAULT] = "fault",
                                        [SEVERITY_WARNING] = "warning",
                                        [SEVERITY_UNCHECKED] = "not checked",
                                        [SEVERITY_WELL] = "well"};
    return names[severity];
}
