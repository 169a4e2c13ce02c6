/* Who does what, in one picture: Signal, this bridge, the push server and the phone, and the way of
 * a ring between them. HTML with its own words for screen readers; its colours are in frame.c. */
#ifndef DOORBELL_WEB_PICTURE_H
#define DOORBELL_WEB_PICTURE_H

extern const char picture_html[];

#endif
