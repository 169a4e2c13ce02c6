/* One module's tests: write them with START_TEST, list them in UNIT_MAIN. */
#ifndef DOORBELL_TESTS_UNIT_H
#define DOORBELL_TESTS_UNIT_H

#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>

/* UNIT_MAIN("url", a_test, another_test) makes main(). */
#define UNIT_MAIN(name, ...)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        if (sodium_init() < 0)                                                                     \
            return 1;                                                                              \
        umask(022); /* whoever starts them: some tests are about what others may read */           \
        const TTest *tests[] = {__VA_ARGS__};                                                      \
        Suite *suite = suite_create(name);                                                         \
        TCase *tcase = tcase_create(name);                                                         \
        tcase_set_timeout(tcase, 120);                                                             \
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)                                  \
            tcase_add_test(tcase, tests[i]);                                                       \
        suite_add_tcase(suite, tcase);                                                             \
        SRunner *runner = srunner_create(suite);                                                   \
        srunner_run_all(runner, CK_NORMAL);                                                        \
        int failed = srunner_ntests_failed(runner);                                                \
        srunner_free(runner);                                                                      \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                               \
    }

#endif
