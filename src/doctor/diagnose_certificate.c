#include <stdio.h>
#include <time.h>

#include "doctor/diagnose.h"

enum { DATE_SIZE = 32, DAY_S = 24 * 3600 };

static const char subject[] = "certificate";
static const char fix[] =
    "See why whatever renews it did not: phones refuse this server once it has "
    "ended. A new one in its place is taken into use by itself.";

/* One day is not "1 days". */
static void write_left(char text[DATE_SIZE], int64_t left_s)
{
    long long days = left_s / DAY_S;
    if (days < 1)
        snprintf(text, DATE_SIZE, "in less than a day");
    else
        snprintf(text, DATE_SIZE, "in %lld day%s", days, days == 1 ? "" : "s");
}

void diagnose_certificate(struct findings *findings, int64_t ends_unix, int64_t now_unix,
                          int64_t within_s)
{
    time_t ends = (time_t)ends_unix;
    struct tm parts;
    char date[DATE_SIZE], left[DATE_SIZE];
    if (!ends_unix)
        return;
    if (!gmtime_r(&ends, &parts) || !strftime(date, sizeof date, "%Y-%m-%d", &parts))
        date[0] = '\0';
    write_left(left, ends_unix - now_unix);
    if (ends_unix <= now_unix)
        findings_add(findings, SEVERITY_FAULT, subject, fix,
                     "That of web.tls_cert ended on %s: phones and proxies refuse this server.",
                     date);
    else if (ends_unix - now_unix <= within_s)
        findings_add(findings, SEVERITY_WARNING, subject, fix,
                     "That of web.tls_cert ends %s, on %s.", left, date);
    else
        findings_add(findings, SEVERITY_WELL, subject, NULL,
                     "That of web.tls_cert is good until %s.", date);
}
