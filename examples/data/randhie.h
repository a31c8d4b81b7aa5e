// The insurer's own data for examples/story.c: the records of the RAND Health Insurance Experiment in the clear, read with
// the library, and as an Arrow batch. With it, how the program ends when a call fails.

#ifndef RANDHIE_H
#define RANDHIE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sealock.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define LIST(...) ((const char *const[]){__VA_ARGS__}), COUNT(((const char *const[]){__VA_ARGS__}))

static const char *const HEALTH[] = {"excellent", "good", "fair", "poor"};
static const char *const COST_SHARE[] = {"free", "25-50%", "95-100%"};
enum { CLASSES = COUNT(HEALTH) };

// ------------------------------------------------------------------------------------------------ errors and memory

static void die(const char *why) {
    fprintf(stderr, "story: %s\n", why);
    exit(1);
}

// Ends the program with the library's error.
static void fail(const char *call, sealock_error *error) {
    const char *hint = sealock_error_hint(error);
    fprintf(stderr, "story: %s\n  %s: %s\n", call, sealock_error_kind(error), sealock_error_message(error));
    if (hint) fprintf(stderr, "  %s\n", hint);
    sealock_error_free(error);
    exit(1);
}

// Calls a function of the library that has to succeed. The call names `&error` last.
#define MUST(call)                                   \
    do {                                             \
        sealock_error *error = NULL;                 \
        if ((call) != SEALOCK_OK) fail(#call, error); \
    } while (0)

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) die("no memory");
    return memory;
}

// ------------------------------------------------------------------------------------------------------ the records

// The experiment's records, one per person and year, in the clear: the insurer's own.
struct records {
    size_t rows;
    uint8_t *health, *cost_share; // positions in HEALTH and COST_SHARE
    double *chronic;
    int64_t *visits;
};

// Appends a column of an Arrow batch as doubles: 64-bit integers (format `l`) or 128-bit decimals (`d:precision,scale`).
static void append(const struct ArrowSchema *schema, const struct ArrowArray *batch, const char *name, double *out) {
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (strcmp(schema->children[i]->name, name) != 0) continue;
        const char *format = schema->children[i]->format;
        const struct ArrowArray *array = batch->children[i];
        const int64_t *values = array->buffers[1];
        int precision, scale;
        if (strcmp(format, "l") == 0) {
            for (int64_t row = 0; row < array->length; row++) out[row] = (double)values[array->offset + row];
        } else if (sscanf(format, "d:%d,%d", &precision, &scale) == 2) {
            // Little-endian; these numbers fit the lower half.
            for (int64_t row = 0; row < array->length; row++)
                out[row] = (double)values[2 * (array->offset + row)] / pow(10, scale);
        } else {
            die("a column has another type than expected");
        }
        return;
    }
    die("a column is missing");
}

static char *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file) die("the data is missing: pass the folder examples/data");
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    char *text = allocate(*length, 1);
    if (fread(text, 1, *length, file) != *length) die("the data cannot be read");
    fclose(file);
    return text;
}

// Reads the table and turns its dummy variables and logarithms back into categories.
static struct records read_records(const char *folder) {
    char path[4096];
    size_t length;
    snprintf(path, sizeof path, "%s/randhie.schema.json", folder);
    char *json = read_file(path, &length);
    sealock_schema *schema;
    MUST(sealock_schema_from_json((const uint8_t *)json, length, &schema, &error));
    free(json);

    sealock_table *table;
    snprintf(path, sizeof path, "%s/randhie.parquet", folder);
    MUST(sealock_table_from_parquet_file(schema, path, 0, &table, &error));
    struct records records = {0};
    MUST(sealock_table_rows(table, &records.rows, &error));
    struct ArrowArrayStream stream;
    MUST(sealock_table_to_arrow_stream(table, &stream, &error));
    sealock_table_free(table);
    sealock_schema_free(schema);

    const char *const names[] = {"hlthg", "hlthf", "hlthp", "lncoins", "disea", "mdvis"};
    double *columns[COUNT(names)];
    for (size_t i = 0; i < COUNT(names); i++) columns[i] = allocate(records.rows, sizeof(double));
    struct ArrowSchema types;
    if (stream.get_schema(&stream, &types) != 0) die("the table has no schema");
    for (size_t done = 0;;) {
        struct ArrowArray batch;
        if (stream.get_next(&stream, &batch) != 0) die("the table cannot be read");
        if (!batch.release) break;
        for (size_t i = 0; i < COUNT(names); i++) append(&types, &batch, names[i], columns[i] + done);
        done += (size_t)batch.length;
        batch.release(&batch);
    }
    types.release(&types);
    stream.release(&stream);

    records.health = allocate(records.rows, 1);
    records.cost_share = allocate(records.rows, 1);
    records.visits = allocate(records.rows, sizeof(int64_t));
    for (size_t row = 0; row < records.rows; row++) {
        records.health[row] = columns[0][row] > 0.5 ? 1 : columns[1][row] > 0.5 ? 2 : columns[2][row] > 0.5 ? 3 : 0;
        // ln(1 + coinsurance in percent): 0, 25 or 50, 95 or 100.
        double percent = exp(columns[3][row]) - 1.0;
        records.cost_share[row] = percent < 10.0 ? 0 : percent < 70.0 ? 1 : 2;
        records.visits[row] = (int64_t)columns[5][row];
    }
    records.chronic = columns[4];
    for (size_t i = 0; i < COUNT(names); i++)
        if (i != 4) free(columns[i]);
    return records;
}

static void free_records(struct records *records) {
    free(records->health);
    free(records->cost_share);
    free(records->chronic);
    free(records->visits);
}

// Sum of visits and number of records by health, straight from the rows.
static void plain_answer(const struct records *records, int64_t visits[CLASSES], int64_t people[CLASSES]) {
    memset(visits, 0, CLASSES * sizeof *visits);
    memset(people, 0, CLASSES * sizeof *people);
    for (size_t row = 0; row < records->rows; row++) {
        if (records->cost_share[row] == 0 || records->chronic[row] < 10.0) continue;
        visits[records->health[row]] += records->visits[row];
        people[records->health[row]] += 1;
    }
}

// --------------------------------------------------------------------------------- the records as an Arrow batch

enum { COLUMNS = 4 };

// A batch with its columns and their types in one piece of memory, which the release of the batch frees.
struct batch {
    struct ArrowArray columns[COLUMNS], *column_list[COLUMNS];
    const void *buffers[COLUMNS][3], *no_buffers[1];
    int32_t *offsets[2];
    char *text[2];
};

struct types {
    struct ArrowSchema columns[COLUMNS], *column_list[COLUMNS];
};

static void release_column(struct ArrowArray *column) {
    column->release = NULL;
}

static void release_type(struct ArrowSchema *type) {
    type->release = NULL;
}

static void release_batch(struct ArrowArray *array) {
    struct batch *batch = array->private_data;
    for (int i = 0; i < 2; i++) {
        free(batch->offsets[i]);
        free(batch->text[i]);
    }
    free(batch);
    array->release = NULL;
}

static void release_types(struct ArrowSchema *schema) {
    free(schema->private_data);
    schema->release = NULL;
}

// Writes texts as Arrow does: one after the other, and where each begins.
static void write_texts(struct batch *batch, int column, const uint8_t *codes, const char *const *names, size_t rows) {
    size_t length = 0;
    for (size_t row = 0; row < rows; row++) length += strlen(names[codes[row]]);
    int32_t *offsets = batch->offsets[column] = allocate(rows + 1, sizeof(int32_t));
    char *text = batch->text[column] = allocate(length, 1);
    for (size_t row = 0; row < rows; row++) {
        size_t size = strlen(names[codes[row]]);
        memcpy(text + offsets[row], names[codes[row]], size);
        offsets[row + 1] = offsets[row] + (int32_t)size;
    }
    batch->buffers[column][1] = offsets;
    batch->buffers[column][2] = text;
}

// The batch shows the numbers of `records` without a copy: it has to be released before them.
static void to_arrow(const struct records *records, struct ArrowSchema *schema, struct ArrowArray *array) {
    static const char *const names[COLUMNS] = {"health", "cost_share", "chronic", "visits"};
    static const char *const formats[COLUMNS] = {"u", "u", "g", "l"};
    struct types *types = allocate(1, sizeof *types);
    struct batch *batch = allocate(1, sizeof *batch);
    write_texts(batch, 0, records->health, HEALTH, records->rows);
    write_texts(batch, 1, records->cost_share, COST_SHARE, records->rows);
    batch->buffers[2][1] = records->chronic;
    batch->buffers[3][1] = records->visits;
    int64_t rows = (int64_t)records->rows;
    for (int i = 0; i < COLUMNS; i++) {
        types->columns[i] = (struct ArrowSchema){.format = formats[i], .name = names[i], .release = release_type};
        types->column_list[i] = &types->columns[i];
        batch->columns[i] = (struct ArrowArray){
            .length = rows, .n_buffers = i < 2 ? 3 : 2, .buffers = batch->buffers[i], .release = release_column};
        batch->column_list[i] = &batch->columns[i];
    }
    *schema = (struct ArrowSchema){.format = "+s",
                                   .name = "",
                                   .n_children = COLUMNS,
                                   .children = types->column_list,
                                   .release = release_types,
                                   .private_data = types};
    *array = (struct ArrowArray){.length = rows,
                                 .n_buffers = 1,
                                 .buffers = batch->no_buffers,
                                 .n_children = COLUMNS,
                                 .children = batch->column_list,
                                 .release = release_batch,
                                 .private_data = batch};
}

#endif
