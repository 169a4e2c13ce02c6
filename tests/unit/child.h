/* A child that goes on until it is killed. Where an assertion fails first, nobody kills it: it goes
 * with the tests then. */
#ifndef DOORBELL_TESTS_CHILD_H
#define DOORBELL_TESTS_CHILD_H

#include <check.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static inline pid_t fork_endless(void)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

#endif
