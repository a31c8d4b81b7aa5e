// Arrow data that is wrong in every way that can be told, as an array and as a stream: an error that says so, nothing put
// out, and everything released once.

#include "check.h"

static struct ArrowSchema schema, columns[3], words;
static struct ArrowSchema *column_list[3];
static struct ArrowArray array, parts[3], dictionary;
static struct ArrowArray *part_list[3];
static int64_t numbers[4];
static int32_t offsets[5], keys[4], word_offsets[3];
static char text[8];
static uint8_t mask[1];
static const void *no_buffers[1], *number_buffers[2], *text_buffers[3], *key_buffers[2], *word_buffers[3];
static int made_schema, made_array, made_stream, schemas, arrays, streams;
static int schema_code, next_code, batches;
static const char *last_error;

static void release_schema(struct ArrowSchema *s) {
    schemas++;
    s->release = NULL;
}

static void release_array(struct ArrowArray *a) {
    arrays++;
    a->release = NULL;
}

static void release_stream(struct ArrowArrayStream *s) {
    streams++;
    s->release = NULL;
}

// Children are released with their parents, which own them here.
static void release_child_schema(struct ArrowSchema *s) {
    s->release = NULL;
}

static void release_child_array(struct ArrowArray *a) {
    a->release = NULL;
}

// Three columns of four rows: i (int64), c (text), d (a dictionary).
static void build(void) {
    memcpy(numbers, (int64_t[]){1, 2, 3, 4}, sizeof numbers);
    memcpy(offsets, (int32_t[]){0, 1, 2, 3, 4}, sizeof offsets);
    memcpy(keys, (int32_t[]){0, 1, 0, 1}, sizeof keys);
    memcpy(word_offsets, (int32_t[]){0, 1, 2}, sizeof word_offsets);
    memcpy(text, "xyxy", 5);
    mask[0] = 0xf;
    no_buffers[0] = number_buffers[0] = text_buffers[0] = key_buffers[0] = word_buffers[0] = NULL;
    number_buffers[1] = numbers, text_buffers[1] = offsets, text_buffers[2] = text, key_buffers[1] = keys;
    word_buffers[1] = word_offsets, word_buffers[2] = text;
    schema = (struct ArrowSchema){.format = "+s", .n_children = 3, .children = column_list, .release = release_schema};
    array = (struct ArrowArray){.length = 4, .n_buffers = 1, .buffers = no_buffers, .n_children = 3,
                                .children = part_list, .release = release_array};
    columns[0] = (struct ArrowSchema){.format = "l", .name = "i", .release = release_child_schema};
    columns[1] = (struct ArrowSchema){.format = "u", .name = "c", .release = release_child_schema};
    columns[2] = (struct ArrowSchema){.format = "i", .name = "d", .dictionary = &words, .release = release_child_schema};
    words = (struct ArrowSchema){.format = "u", .release = release_child_schema};
    parts[0] = (struct ArrowArray){.length = 4, .n_buffers = 2, .buffers = number_buffers, .release = release_child_array};
    parts[1] = (struct ArrowArray){.length = 4, .n_buffers = 3, .buffers = text_buffers, .release = release_child_array};
    parts[2] = (struct ArrowArray){.length = 4, .n_buffers = 2, .buffers = key_buffers, .dictionary = &dictionary,
                                   .release = release_child_array};
    dictionary = (struct ArrowArray){.length = 2, .n_buffers = 3, .buffers = word_buffers, .release = release_child_array};
    for (int i = 0; i < 3; i++) column_list[i] = &columns[i], part_list[i] = &parts[i];
    schema_code = next_code = batches = 0;
    last_error = "said";
}

static int get_schema(struct ArrowArrayStream *s, struct ArrowSchema *out) {
    (void)s;
    if (schema_code) return schema_code;
    made_schema++;
    *out = schema;
    return 0;
}

static int get_next(struct ArrowArrayStream *s, struct ArrowArray *out) {
    (void)s;
    if (next_code) return next_code;
    memset(out, 0, sizeof *out);
    if (batches++) return 0;
    made_array++;
    *out = array;
    return 0;
}

static const char *get_last_error(struct ArrowArrayStream *s) {
    (void)s;
    return last_error;
}

static void good(void) {}
static void last_offset(void) { offsets[4] = -1; }
static void middle_offset(void) { offsets[2] = 1000000; }
static void first_offset(void) { offsets[0] = -1; }
static void not_utf8(void) { text[1] = (char)0xff; }
static void far_offset(void) { parts[0].offset = INT64_MAX; }
static void negative_offset(void) { parts[0].offset = -1; }
static void negative_length(void) { parts[0].length = -1; }
static void negative_rows(void) { array.length = -1; }
static void short_column(void) { parts[0].length = 2; }
static void huge_length(void) { array.length = parts[0].length = INT64_MAX; }
static void masked(void) { mask[0] = 0xe, no_buffers[0] = mask, array.null_count = 1; }
static void masked_uncounted(void) { mask[0] = 0xe, no_buffers[0] = mask, array.null_count = -1; }
static void null_count(void) { parts[0].null_count = 2; }
static void key_too_large(void) { keys[2] = 99; }
static void key_negative(void) { keys[2] = -1; }
static void key_type(void) { columns[2].format = "g"; }
static void no_dictionary(void) { parts[2].dictionary = NULL; }
static void no_dictionary_type(void) { columns[2].dictionary = NULL; }
static void word_offset(void) { word_offsets[1] = 1000000000; }
static void word_length(void) { dictionary.length = -1; }
static void no_format(void) { columns[0].format = NULL; }
static void no_top_format(void) { schema.format = NULL; }
static void format_bytes(void) { columns[0].format = "\xff"; }
static void top_format_bytes(void) { schema.format = "\xff"; }
static void unknown_format(void) { columns[0].format = "w:-5"; }
static void name_bytes(void) { columns[0].name = "\xff"; }
static void no_children(void) { schema.children = NULL; }
static void no_parts(void) { array.children = NULL; }
static void no_child(void) { column_list[1] = NULL; }
static void no_part(void) { part_list[1] = NULL; }
static void released_child(void) { columns[1].release = NULL; }
static void released_part(void) { parts[1].release = NULL; }
static void fewer_columns(void) { schema.n_children = 1; }
static void fewer_parts(void) { array.n_children = 1; }
static void negative_children(void) { schema.n_children = -1; }
static void many_children(void) { schema.n_children = INT64_MAX; }
static void list_of_nothing(void) { columns[0].format = "+l"; }
static void own_child(void) { columns[0].format = "+s", columns[0].n_children = 3, columns[0].children = column_list; }
static void no_buffer_list(void) { parts[0].buffers = NULL; }
static void no_buffer(void) { number_buffers[1] = NULL; }
static void few_buffers(void) { parts[0].n_buffers = 0; }
static void negative_buffers(void) { parts[0].n_buffers = -1; }
static void view_buffers(void) { columns[1].format = "vu", parts[1].n_buffers = 1; }
static void metadata(void) {
    static const int32_t many[] = {INT32_MAX, 0};
    columns[0].metadata = (const char *)many;
}
static void next_fails(void) { next_code = 5, last_error = NULL; }
static void next_says(void) { next_code = 5, last_error = "\xff\xfe"; }
static void schema_fails(void) { schema_code = -1, last_error = NULL; }

// `status`: of both. `only`: of the stream alone.
#define CASE(status, break) {#break, break, status, 0}
#define M SEALOCK_ERROR_MALFORMED
static const struct wrong {
    const char *name;
    void (*break_it)(void);
    sealock_status status;
    int stream_only;
} cases[] = {
    CASE(SEALOCK_OK, good), CASE(M, last_offset), CASE(M, middle_offset), CASE(M, first_offset), CASE(M, not_utf8),
    CASE(M, far_offset), CASE(M, negative_offset), CASE(M, negative_length), CASE(M, negative_rows),
    CASE(M, short_column), CASE(M, huge_length), CASE(SEALOCK_ERROR_INVALID_ARGUMENT, masked),
    CASE(SEALOCK_ERROR_INVALID_ARGUMENT, masked_uncounted), CASE(M, null_count), CASE(M, key_too_large),
    CASE(M, key_negative), CASE(M, key_type), CASE(M, no_dictionary), CASE(M, no_dictionary_type), CASE(M, word_offset),
    CASE(M, word_length), CASE(M, no_format), CASE(M, no_top_format), CASE(M, format_bytes), CASE(M, top_format_bytes),
    CASE(M, unknown_format), CASE(M, name_bytes), CASE(M, no_children), CASE(M, no_parts), CASE(M, no_child),
    CASE(M, no_part), CASE(M, released_child), CASE(M, released_part), CASE(M, fewer_columns), CASE(M, fewer_parts),
    CASE(M, negative_children), CASE(M, many_children), CASE(M, list_of_nothing), CASE(M, own_child),
    CASE(M, no_buffer_list), CASE(M, no_buffer), CASE(M, few_buffers), CASE(M, negative_buffers), CASE(M, view_buffers),
    CASE(M, metadata), {"next_fails", next_fails, M, 1}, {"next_says", next_says, M, 1},
    {"schema_fails", schema_fails, M, 1},
};

static void outcome(const struct wrong *c, sealock_status status, sealock_table *table, sealock_error *error) {
    int right = status == c->status && (status == SEALOCK_OK) == (table != NULL) && (status == SEALOCK_OK) == !error;
    if (!check(right, c->name, __FILE__, __LINE__))
        fprintf(stderr, "  %d %s\n", status, error ? sealock_error_message(error) : "");
    check(made_schema == schemas && made_array == arrays && made_stream == streams, c->name, __FILE__, __LINE__);
    sealock_table_free(table);
    sealock_error_free(error);
}

int main(void) {
    const char *csv = "i,c,d\n0,x,x\n100,y,y\n";
    sealock_schema *people;
    MUST(sealock_schema_infer_csv((const uint8_t *)csv, strlen(csv), &people, &error));
    for (size_t i = 0; i < COUNT(cases); i++) {
        sealock_table *table = (sealock_table *)&cases;
        sealock_error *error = NULL;
        build();
        cases[i].break_it();
        if (!cases[i].stream_only) {
            made_schema++, made_array++;
            sealock_status status = sealock_table_from_arrow_array(people, &schema, &array, 0, &table, &error);
            CHECK(!schema.release && !array.release);
            outcome(&cases[i], status, table, error);
        }
        build();
        cases[i].break_it();
        table = (sealock_table *)&cases, error = NULL, made_stream++;
        struct ArrowArrayStream stream = {get_schema, get_next, get_last_error, release_stream, NULL};
        sealock_status status = sealock_table_from_arrow_stream(people, &stream, 0, &table, &error);
        CHECK(!stream.release);
        outcome(&cases[i], status, table, error);
    }
    sealock_schema_free(people);
    return failures("arrow");
}
