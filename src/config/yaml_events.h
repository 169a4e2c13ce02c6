/* YAML read strictly, event by event: one document, no aliases, anchors or tags, and errors that
 * name the file, the line and the fix. What the events mean is up to the caller. */
#ifndef DOORBELL_CONFIG_YAML_EVENTS_H
#define DOORBELL_CONFIG_YAML_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "base/err.h"

struct yaml_events {
    const char *name; /* of the file, for errors */
    const char *bytes;
    size_t length;
    yaml_parser_t parser;
    struct err *err;
};

enum { YAML_PLACE_SIZE = 152 /* "NAME:LINE" */ };

/* All must stay until yaml_events_end, which is due only after success. */
int yaml_events_begin(struct yaml_events *events, const char *name, const void *bytes,
                      size_t length, struct err *err);
void yaml_events_end(struct yaml_events *events);

/* `root` is called where the one document begins, if there is any, and reads all of its events. */
int yaml_events_document(struct yaml_events *events, int (*root)(void *arg), void *arg);

/* The caller forgets the event when there was one. */
int yaml_events_next(struct yaml_events *events, yaml_event_t *event);
void yaml_events_forget(yaml_event_t *event); /* wiped: it may be a secret */
/* Of a scalar: whether it stands for no value. */
bool yaml_events_is_null(const yaml_event_t *event);
/* Of a scalar; NULL when a zero byte would cut it short. */
const char *yaml_events_text(const yaml_event_t *event);

int yaml_events_fail(struct yaml_events *events, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts the place before the sentence that is there; returns `code`. */
int yaml_events_locate(struct yaml_events *events, size_t line, int code);
void yaml_events_place(char text[YAML_PLACE_SIZE], const struct yaml_events *events, size_t line);

#endif
