/* libmodsecurity as the peer of `cargo xtask bench waf`: reads rules and transactions, then runs them on command.
 *
 *   peer RULES.conf WORKLOAD
 *
 * Commands on standard input, one a line, each answered by one line:
 *   run START COUNT   runs COUNT transactions from START on, round and round: CPU nanoseconds of this thread
 *   verdict INDEX     runs one: the status of its intervention, 0 for none
 */
#include <modsecurity/modsecurity.h>
#include <modsecurity/rules_set.h>
#include <modsecurity/transaction.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct piece {
    char *bytes; /* ends in NUL, which is not counted */
    uint32_t length;
};

struct request {
    struct piece method, target, protocol, body;
    struct piece *fields; /* names and values in turn */
    uint32_t count;
};

static void fail(const char *what)
{
    fprintf(stderr, "peer: %s\n", what);
    exit(1);
}

static uint32_t read_number(FILE *file)
{
    unsigned char bytes[4];
    if (fread(bytes, 1, 4, file) != 4)
        fail("the workload ends too early");
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static struct piece read_piece(FILE *file)
{
    struct piece piece;
    piece.length = read_number(file);
    piece.bytes = malloc((size_t)piece.length + 1);
    if (piece.bytes == NULL || fread(piece.bytes, 1, piece.length, file) != piece.length)
        fail("the workload ends too early");
    piece.bytes[piece.length] = 0;
    return piece;
}

static struct request *read_workload(const char *path, uint32_t *count)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail("the workload cannot be opened");
    *count = read_number(file);
    struct request *requests = calloc(*count, sizeof *requests);
    for (uint32_t i = 0; i < *count; i++) {
        struct request *request = &requests[i];
        request->method = read_piece(file);
        request->target = read_piece(file);
        request->protocol = read_piece(file);
        request->body = read_piece(file);
        request->count = read_number(file);
        request->fields = calloc((size_t)request->count * 2, sizeof *request->fields);
        for (uint32_t j = 0; j < request->count * 2; j++)
            request->fields[j] = read_piece(file);
    }
    fclose(file);
    return requests;
}

static int intervention(Transaction *transaction)
{
    ModSecurityIntervention it = {.status = 200, .url = NULL, .log = NULL, .disruptive = 0};
    if (msc_intervention(transaction, &it) == 0)
        return 0;
    free(it.url);
    free(it.log);
    return it.disruptive ? it.status : 0;
}

/* One transaction as a server's connector takes it through the library. The status of the intervention, 0 for none. */
static int run(ModSecurity *library, RulesSet *rules, const struct request *request)
{
    Transaction *transaction = msc_new_transaction(library, rules, NULL);
    int status;
    msc_process_connection(transaction, "192.0.2.10", 40000, "192.0.2.1", 80);
    msc_process_uri(transaction, request->target.bytes, request->method.bytes, request->protocol.bytes);
    for (uint32_t i = 0; i < request->count; i++) {
        const struct piece *name = &request->fields[2 * i], *value = name + 1;
        msc_add_n_request_header(transaction, (const unsigned char *)name->bytes, name->length,
                                 (const unsigned char *)value->bytes, value->length);
    }
    msc_process_request_headers(transaction);
    status = intervention(transaction);
    if (status == 0) {
        if (request->body.length != 0)
            msc_append_request_body(transaction, (const unsigned char *)request->body.bytes, request->body.length);
        msc_process_request_body(transaction);
        status = intervention(transaction);
    }
    if (status == 0) {
        msc_add_response_header(transaction, (const unsigned char *)"Content-Type", (const unsigned char *)"text/html");
        msc_add_response_header(transaction, (const unsigned char *)"Content-Length", (const unsigned char *)"1024");
        msc_process_response_headers(transaction, 200, "HTTP/1.1");
        status = intervention(transaction);
    } else {
        msc_update_status_code(transaction, status);
    }
    msc_process_logging(transaction);
    msc_transaction_cleanup(transaction);
    return status;
}

static void quiet(void *data, const void *message)
{
    (void)data;
    (void)message;
}

int main(int argc, char **argv)
{
    const char *error = NULL;
    uint32_t count = 0;
    char line[256];
    if (argc != 3)
        fail("expected: peer RULES.conf WORKLOAD");
    ModSecurity *library = msc_init();
    msc_set_log_cb(library, quiet);
    RulesSet *rules = msc_create_rules_set();
    if (msc_rules_add_file(rules, argv[1], &error) < 0)
        fail(error != NULL ? error : "the rules do not load");
    struct request *requests = read_workload(argv[2], &count);
    printf("ready %s\n", msc_who_am_i(library));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        unsigned int start, times;
        if (sscanf(line, "run %u %u", &start, &times) == 2) {
            struct timespec before, after;
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
            for (unsigned int i = 0; i < times; i++)
                run(library, rules, &requests[(start + i) % count]);
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
            printf("%lld\n", (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec);
        } else if (sscanf(line, "verdict %u", &start) == 1) {
            printf("%d\n", run(library, rules, &requests[start % count]));
        } else {
            fail("expected `run START COUNT` or `verdict INDEX`");
        }
        fflush(stdout);
    }
    return 0;
}
