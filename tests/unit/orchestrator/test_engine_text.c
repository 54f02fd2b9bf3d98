// links: orchestrator base proto yyjson
/* What a Docker Engine says (API 1.41), read and written; the texts are cut from a real one's. */
#include "tests/support/check.h"

#include "orchestrator/drivers/engine_text.h"

#include <string.h>
#include <yyjson.h>

#define LABELS(service)                                                                         \
    "{\"com.docker.compose.project\":\"stack\",\"com.docker.compose.service\":\"" service "\"," \
    "\"com.docker.compose.container-number\":\"1\"}"

static const char INSPECTED[] =
    "{\"Id\":\"aa\",\"Name\":\"/"
    "stack_signal_1\",\"State\":{\"Status\":\"exited\",\"Running\":false,\"ExitCode\":137},"
    "\"Config\":{\"Hostname\":\"dfd90a5a09be\",\"User\":\"10001:10001\",\"Image\":\"orderflow:local\","
    "\"Cmd\":[\"warden\",\"--config\",\"/etc/orderflow/orderflow.yaml\",\"signal\"],\"Labels\":" LABELS(
        "signal") "},"
                  "\"HostConfig\":{\"ReadonlyRootfs\":true,\"CapDrop\":[\"ALL\"],\"NetworkMode\":\"stack_"
                  "bus\"},"
                  "\"NetworkSettings\":{\"Networks\":{\"stack_bus\":{\"Aliases\":[\"signal\","
                  "\"dfd90a5a09be\"]}}}}";

static struct buffer buffer_of(const char *text)
{
    struct buffer buffer;
    buffer_init(&buffer, 0);
    buffer_append_text(&buffer, text);
    return buffer;
}

static void starts_and_ends_of_instances_are_news(void **state)
{
    (void)state;
    struct engine_news news;
    assert_true(engine_text_event(
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"aa\",\"Attributes\":"
        "{\"exitCode\":\"137\",\"com.docker.compose.service\":\"signal\"}}}",
        &news));
    assert_int_equal(news.kind, ENGINE_DIED);
    assert_int_equal(news.exit_code, 137);
    assert_string_equal(news.container.instance, "signal");
    assert_string_equal(news.container.id, "aa");
    assert_true(
        engine_text_event("{\"Action\":\"start\",\"Actor\":{\"ID\":\"bb\",\"Attributes\":"
                          "{\"orderflow.instance\":\"signal.2\",\"com.docker.compose.service\":\"signal\"}}}",
                          &news));
    assert_int_equal(news.kind, ENGINE_STARTED);
    assert_string_equal(news.container.instance, "signal.2");
    assert_true(news.container.running);
}

static void other_lines_are_none(void **state)
{
    (void)state;
    static const char *const LINES[] = {
        "",
        "{",
        "[]",
        "{\"Action\":\"die\"}",
        "{\"Action\":\"exec_die\",\"Actor\":{\"ID\":\"aa\",\"Attributes\":{\"com.docker.compose.service\":"
        "\"signal\"}}}",
        "{\"Action\":\"die\",\"Actor\":{\"ID\":\"aa\",\"Attributes\":{\"exitCode\":\"0\"}}}",
        "{\"Action\":\"die\",\"Actor\":{\"ID\":7,\"Attributes\":{\"com.docker.compose.service\":\"signal\"}}"
        "}",
    };
    struct engine_news news;
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++)
        assert_false(engine_text_event(LINES[i], &news));
}

struct seen {
    size_t count, running;
    char last[INSTANCE_BYTES];
};

static void see(void *context, const struct engine_container *container)
{
    struct seen *seen = context;
    seen->count++;
    seen->running += container->running;
    snprintf(seen->last, sizeof seen->last, "%s", container->instance);
}

static void a_list_tells_who_runs(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct buffer list = buffer_of("[{\"Id\":\"aa\",\"State\":\"running\",\"Labels\":" LABELS(
        "signal") "},"
                  "{\"Id\":\"bb\",\"State\":\"paused\",\"Labels\":" LABELS(
                      "broker") "},"
                                "{\"Id\":\"cc\",\"State\":\"created\",\"Labels\":" LABELS(
                                    "report") "},"
                                              "{\"Id\":\"dd\",\"State\":\"running\",\"Labels\":{}}]");
    assert_true(engine_text_list(&list, see, &seen));
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.running, 2);
    assert_string_equal(seen.last, "report");
    buffer_finish(&list);
    list = buffer_of("{\"message\":\"server error\"}");
    assert_false(engine_text_list(&list, see, &seen));
    buffer_finish(&list);
}

static void the_exit_code_of_who_has_ended(void **state)
{
    (void)state;
    struct buffer text = buffer_of(INSPECTED);
    assert_int_equal(engine_text_exit_code(&text), 137);
    buffer_finish(&text);
    text = buffer_of("{\"State\":{\"Running\":true,\"ExitCode\":0}}");
    assert_int_equal(engine_text_exit_code(&text), -1);
    buffer_finish(&text);
    text = buffer_of("nonsense");
    assert_int_equal(engine_text_exit_code(&text), -1);
    buffer_finish(&text);
}

static void a_project_is_a_name_that_cannot_become_part_of_a_request(void **state)
{
    (void)state;
    char project[64];
    struct buffer text = buffer_of(INSPECTED);
    assert_true(engine_text_project(&text, project, sizeof project));
    assert_string_equal(project, "stack");
    buffer_finish(&text);
    text = buffer_of("{\"Config\":{\"Labels\":{\"com.docker.compose.project\":\"a/../b?c\"}}}");
    assert_false(engine_text_project(&text, project, sizeof project));
    buffer_finish(&text);
}

static const char *text_at(yyjson_doc *document, const char *pointer)
{
    const char *text = yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(document), pointer));
    return text ? text : "";
}

static void one_more_like_it_differs_only_in_its_names(void **state)
{
    (void)state;
    struct buffer model = buffer_of(INSPECTED), made = buffer_of("");
    assert_true(engine_text_like(&model, "signal.3", &made));
    yyjson_doc *document = yyjson_read((const char *)made.data, made.length, 0);
    assert_non_null(document);
    assert_string_equal(text_at(document, "/Cmd/0"), "warden");
    assert_string_equal(text_at(document, "/Cmd/3"), "signal.3");
    assert_string_equal(text_at(document, "/Image"), "orderflow:local");
    assert_string_equal(text_at(document, "/User"), "10001:10001");
    assert_string_equal(text_at(document, "/Hostname"), "");
    assert_string_equal(text_at(document, "/HostConfig/CapDrop/0"), "ALL");
    assert_string_equal(text_at(document, "/Labels/orderflow.instance"), "signal.3");
    assert_string_equal(text_at(document, "/Labels/com.docker.compose.container-number"), "3");
    assert_string_equal(text_at(document, "/Labels/com.docker.compose.project"), "stack");
    assert_string_equal(text_at(document, "/NetworkingConfig/EndpointsConfig/stack_bus/Aliases/0"),
                        "signal-3");
    yyjson_doc_free(document);
    buffer_finish(&made);
    buffer_finish(&model);
    model = buffer_of("{\"Config\":{}}");
    assert_false(engine_text_like(&model, "signal.3", &made));
    buffer_finish(&model);
    buffer_finish(&made);
}

static void a_service_like_it_differs_only_in_its_names(void **state)
{
    (void)state;
    static const char SERVICE[] =
        "{\"ID\":\"x1\",\"Spec\":{\"Name\":\"flow_signal\",\"Labels\":{\"com.docker.stack.namespace\":"
        "\"flow\"},"
        "\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"orderflow:local\",\"User\":\"10001:10001\","
        "\"Args\":[\"warden\",\"--stay\",\"signal\"],\"Secrets\":[{\"SecretID\":\"s1\"}]},"
        "\"Networks\":[{\"Target\":\"n1\",\"Aliases\":[\"signal\"]}]},\"EndpointSpec\":{\"Mode\":\"dnsrr\"}}"
        "}";
    struct buffer model = buffer_of(SERVICE), made = buffer_of("");
    assert_true(engine_text_service_like(&model, "flow", "signal.2", &made));
    yyjson_doc *document = yyjson_read((const char *)made.data, made.length, 0);
    assert_string_equal(text_at(document, "/Name"), "flow_signal-2");
    assert_string_equal(text_at(document, "/Labels/orderflow.instance"), "signal.2");
    assert_string_equal(text_at(document, "/Labels/com.docker.stack.namespace"), "flow");
    assert_string_equal(text_at(document, "/TaskTemplate/ContainerSpec/Args/1"), "--stay");
    assert_string_equal(text_at(document, "/TaskTemplate/ContainerSpec/Args/2"), "signal.2");
    assert_string_equal(text_at(document, "/TaskTemplate/ContainerSpec/Secrets/0/SecretID"), "s1");
    assert_string_equal(text_at(document, "/TaskTemplate/Networks/0/Target"), "n1");
    assert_string_equal(text_at(document, "/TaskTemplate/Networks/0/Aliases/0"), "signal-2");
    assert_string_equal(text_at(document, "/TaskTemplate/Networks/0/Aliases/1"), "");
    assert_string_equal(text_at(document, "/EndpointSpec/Mode"), "dnsrr");
    yyjson_doc_free(document);
    buffer_finish(&made);
    buffer_finish(&model);
    static const char *const NONE[] = {"", "[]", "{\"Spec\":{}}",
                                       "{\"Spec\":{\"Labels\":{},\"TaskTemplate\":{}}}"};
    for (size_t i = 0; i < sizeof NONE / sizeof *NONE; i++) {
        model = buffer_of(NONE[i]);
        assert_false(engine_text_service_like(&model, "flow", "signal.2", &made));
        buffer_finish(&model);
    }
    buffer_finish(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_and_ends_of_instances_are_news),
        cmocka_unit_test(other_lines_are_none),
        cmocka_unit_test(a_list_tells_who_runs),
        cmocka_unit_test(the_exit_code_of_who_has_ended),
        cmocka_unit_test(a_project_is_a_name_that_cannot_become_part_of_a_request),
        cmocka_unit_test(one_more_like_it_differs_only_in_its_names),
        cmocka_unit_test(a_service_like_it_differs_only_in_its_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
