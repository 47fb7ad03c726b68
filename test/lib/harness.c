/* Runs the registered tests under check and translates the outcome to TAP. */
#include "test/lib/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct harness_test *tests; /* filled by constructors before main */

void harness_register(struct harness_test *test)
{
    struct harness_test **at = &tests;

    while (*at)
        at = &(*at)->next;
    *at = test;
}

int main(int argc, char **argv)
{
    Suite *suite = suite_create("orbital");
    SRunner *runner;
    TestResult **results;
    int run, failed;

    setenv("CK_DEFAULT_TIMEOUT", "60", 0);
    for (struct harness_test *t = tests; t; t = t->next) {
        TCase *tcase;

        if (argc >= 2 && !strstr(t->test->name, argv[1]))
            continue;
        tcase = tcase_create(t->test->name); /* one each: a result has only the name of its case */
        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, t->test);
        suite_add_tcase(suite, tcase);
    }
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_SILENT);
    run = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    results = srunner_results(runner);
    printf("1..%d\n", run);
    for (int i = 0; i < run; i++) {
        int bad = tr_rtype(results[i]) != CK_PASS;

        printf("%sok %d - %s\n", bad ? "not " : "", i + 1, tr_tcname(results[i]));
        if (bad)
            printf("# %s:%d: %s\n", tr_lfile(results[i]), tr_lno(results[i]), tr_msg(results[i]));
    }
    free(results);
    srunner_free(runner);
    if (run == 0)
        printf("Bail out! no test ran\n");
    return failed || run == 0;
}
