/* Findings for people and for programs: safe to paste, because findings are. */
#ifndef DOORBELL_DOCTOR_REPORT_H
#define DOORBELL_DOCTOR_REPORT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "doctor/findings.h"

/* `symbols`: the terminal shows more than ASCII. Where nothing is at fault it ends with what to
 * look at on the phone. */
void report_print(FILE *file, const struct findings *findings, int64_t now_unix, bool symbols);

/* One alone: two sentences, behind a mark. */
void report_print_finding(FILE *file, const struct finding *finding, bool symbols);

/* {"well", "version", "at", "left_out", "findings": [{"severity", "subject", "what", "fix"}]} */
json_t *report_json(const struct findings *findings, int64_t now_unix);

#endif
