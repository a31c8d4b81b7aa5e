// Sealock: a privacy-preserving data exchange. The C interface.
//
// Made from bindings/c/src by bindings/c/tests/header.rs. Do not edit.
//
// An owner publishes an encrypted table and sells datatokens for it. A consumer orders, proves in zero knowledge that some
// order is theirs, and gets the answer to a question whose literals the owner never sees. bindings/c/README.md begins with
// a small program; examples/story.c is the long form.
//
// HANDLES. Every `sealock_<type> *` is a handle: a ticket that the library looks up, never an address. A handle that is NULL,
// was freed, is of another type or was never made gives SEALOCK_ERROR_INVALID_ARGUMENT, and nothing happens. Each type says
// what makes it and what frees it. Freeing NULL is fine; freeing twice returns an error. Freeing a handle while another
// thread uses it is fine: the object goes when that call is done. Handles hold what they are made of, so that they can be
// freed in any order.
//
// CALLS. Functions return SEALOCK_OK (0) or an error's number, and take `sealock_error **error` last: see Errors. Every
// output is set to NULL or 0 first, so that it is so when the call fails: it must not overlap an input. An output that is NULL
// is an error, as is any pointer whose text does not say that it may be NULL. The exceptions return their value:
// `sealock_error_...`, `sealock_buffer_...`, sizes, versions.
//
// MEMORY. What goes in is copied: the caller's texts, bytes and structures are not used after a call. What comes out as a
// handle is the caller's to free. Texts are UTF-8 and end with NUL; other bytes are an error. Bytes come with their length;
// NULL with length 0 is an empty input. No pointer of the caller's memory can be checked beyond NULL and alignment: it has to
// be as large as its length says.
//
// THREADS. Every function may be called from any thread at any time, with the same handles. Functions that change an object
// (they take it without `const`) are applied one after the other.
//
// STRUCTURES that the caller fills begin with `size_t struct_size`: set it to the structure's sizeof. Any other size is an
// error.
//
// LIMITS of what an object is set to are checked where it is used: `sealock_offer_...` and `sealock_terms_...` by
// `sealock_owner_publish`, queries by `sealock_asset_estimate` and `sealock_order_request`.
//
// FORK. The library has threads and open files, which a child does not share. In the child of a process that had called the
// library, every function that takes an `error` returns SEALOCK_ERROR_LOCKED: it leaves its outputs as they are, and takes
// nothing over. Errors can be read and freed there. Freeing what the parent made does nothing, and `sealock_buffer_...`
// read what it had. Fork before the first call, or exec.
//
// END. A program may exit at any time, from any thread: what was put out is stored, and work under way is lost. Handles need
// not be freed before. The library has threads: `dlclose` is not supported, open it with RTLD_NODELETE.
//
// PANICS. The library sets a panic hook in its own copy of Rust's library: it prints nothing, and logs. A bug inside the library is caught at its
// boundary, and gives SEALOCK_ERROR_INTERNAL. Callbacks must not throw or jump out.

#ifndef SEALOCK_H
#define SEALOCK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html), as every header of it defines it.

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif
