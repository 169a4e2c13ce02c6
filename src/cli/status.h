/* What "doorbell status" shows, from the answer of the command "status" (control/commands.h), for a
 * terminal of 80 columns or more: a line on the whole, one line for each account, the worst first,
 * with the push server from 100 columns on, and what is to be done, each sentence once. */
#ifndef DOORBELL_CLI_STATUS_H
#define DOORBELL_CLI_STATUS_H

#include <jansson.h>

/* Orders the accounts of an answer: the worst first, of those whoever is owed a ring. */
void status_sort(json_t *accounts);

void status_print_all(const json_t *answer);
/* The devices of one user, with all that is known of each. */
void status_print_one(const json_t *answer);

#endif
