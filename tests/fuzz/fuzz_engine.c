// links: orchestrator base proto yyjson
/* What the Docker Engine answers and tells, and the answer of whoever else listens on its socket. */
#include "fuzz.h"

#include "orchestrator/drivers/engine_text.h"

#include <string.h>
#include <yyjson.h>

static bool is_text(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

static void visit(void *context, const struct engine_container *container)
{
    (void)context;
    fuzz_require(is_text(container->id, sizeof container->id) &&
                 is_text(container->instance, sizeof container->instance));
}

/* check_request: what would be sent is JSON. */
static void check_request(bool made, struct buffer *request)
{
    yyjson_doc *document = made ? yyjson_read((const char *)request->data, request->length, 0) : NULL;
    fuzz_require(!made || yyjson_is_obj(yyjson_doc_get_root(document)));
    yyjson_doc_free(document);
    buffer_clear(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct buffer text, request;
    struct engine_news news;
    char project[64], stack[STACK_BYTES], id[CONTAINER_ID_BYTES];
    buffer_init(&text, 0);
    buffer_init(&request, 0);
    buffer_append(&text, data, bytes);
    if (engine_text_event(buffer_text(&text), &news))
        visit(NULL, &news.container);
    (void)engine_text_list(&text, visit, NULL);
    (void)engine_text_exit_code(&text);
    if (engine_text_project(&text, project, sizeof project))
        fuzz_require(!strpbrk(project, "/?#% \""));
    if (engine_text_stack(&text, stack, sizeof stack))
        fuzz_require(!strpbrk(stack, "/?#% \""));
    fuzz_require(!engine_text_id(&text, id) || is_text(id, sizeof id));
    check_request(engine_text_like(&text, "signal.3", &request), &request);
    check_request(engine_text_service_like(&text, "stack", "signal.3", &request), &request);
    buffer_finish(&text);
    buffer_finish(&request);
    return 0;
}

void fuzz_seeds(fuzz_take *take)
{
    static const char *const TEXTS[] = {
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"aa\",\"Attributes\":{\"exitCode\":"
        "\"137\","
        "\"com.docker.compose.project\":\"stack\",\"com.docker.compose.service\":\"signal\"}}}",
        "[{\"Id\":\"aa\",\"State\":\"running\",\"Labels\":{\"com.docker.compose.service\":\"signal\"}},{"
        "\"Id\":\"bb\",\"State\":\"exited\","
        "\"Labels\":{\"orderflow.instance\":\"signal.2\"}}]",
        "{\"Id\":\"aa\",\"Name\":\"/"
        "stack_signal_1\",\"State\":{\"Status\":\"exited\",\"Running\":false,\"ExitCode\":137},"
        "\"Config\":{\"Hostname\":\"dfd9\",\"User\":\"10001:10001\",\"Image\":\"orderflow:local\",\"Cmd\":["
        "\"warden\",\"signal\"],"
        "\"Labels\":{\"com.docker.compose.project\":\"stack\",\"com.docker.compose.service\":\"signal\","
        "\"com.docker.compose.container-number\":\"1\",\"com.docker.stack.namespace\":\"stack\"}},"
        "\"HostConfig\":{\"ReadonlyRootfs\":true,\"CapDrop\":[\"ALL\"],\"NetworkMode\":\"stack_bus\"},"
        "\"NetworkSettings\":{\"Networks\":{\"stack_bus\":{\"Aliases\":[\"signal\",\"dfd9\"]}}}}",
        "{\"ID\":\"s1\",\"Spec\":{\"Name\":\"stack_signal-2\",\"Labels\":{\"com.docker.stack.namespace\":"
        "\"stack\"},\"TaskTemplate\":{"
        "\"ContainerSpec\":{\"Image\":\"orderflow:local\",\"Args\":[\"warden\",\"signal.2\"],\"Hostname\":"
        "\"signal-2\",\"Labels\":{}},"
        "\"Networks\":[{\"Target\":\"n1\",\"Aliases\":[\"signal-2\"]}]},\"Mode\":{\"Replicated\":{"
        "\"Replicas\":1}}}}",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        take(TEXTS[i], strlen(TEXTS[i]));
}
