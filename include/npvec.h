/*
 * npvec - an embedded, exact vector store.
 *
 * One .npz file is the database: np.load reads what npvec writes, and npvec reads what np.savez writes. Vectors are
 * float32 rows; each row may carry a JSON document. A search compares the query with every row and returns the true
 * nearest ones: there is no index to build and no recall to tune.
 *
 * Caveats first
 *
 *  - Exact means: the first k rows in the order (best score first, then lowest row number), where a score is a value
 *    defined to the last bit (see "Scores" below). The answer is the same on every CPU and for every thread count.
 *  - A search costs time in proportion to rows x dimensions. npvec is meant for a thousand to a million rows.
 *  - A store is in memory, or mapped from its file, until npv_save writes it. What was not saved is lost.
 *  - Two processes that save to one path do not lose a file, but the last one wins.
 *  - A mapped file must not be truncated or rewritten in place by others. Replacing it by rename, as npvec and most
 *    programs do, is safe: the store goes on reading the file that it opened.
 *
 * Ten lines that search
 *
 *      npv_store *store = NULL;
 *      npv_error error;
 *      npv_hits hits;
 *      npv_search_options options = NPV_SEARCH_OPTIONS_INIT;
 *      options.k = 5;
 *      if (npv_open("facts.npz", NULL, &store, &error) != NPV_OK) return fail(error.message);
 *      if (npv_search(store, query, 1, &options, &hits, &error) != NPV_OK) return fail(error.message);
 *      for (size_t i = hits.starts[0]; i < hits.starts[1]; i++) use(hits.hit[i].row, hits.hit[i].score);
 *      npv_hits_free(&hits);
 *      npv_close(store);
 *
 * Conventions
 *
 *  - A function that can fail returns an npv_status and takes a last argument `error` that may be NULL. On failure it
 *    fills *error, leaves its other outputs untouched, and leaves the store as it was before the call.
 *  - Nothing here prints, exits, or reads the environment.
 *  - Vectors are float32, row after row without gaps (C order): `count` rows of `dimensions` floats.
 *  - Rows are numbered from 0 in the order in which they were added.
 *  - Structs that callers fill are led by their own size, so that they can grow without breaking callers: start option
 *    structs and batches from their *_INIT value, and set `size` in those that are to be filled. NULL options mean the
 *    *_INIT value.
 *  - Text is UTF-8 and ends with a zero byte. Paths are what open(2) takes.
 *
 * Threads
 *
 *  - Different stores are independent.
 *  - One store may be used by any number of threads at once. Calls that read (search, get, info, save) run side by
 *    side; calls that write (add, clear) wait for them and run alone. npv_close must be the last call on a store.
 *  - A search uses the store's own worker threads (`threads`), which sleep between searches. After fork() the child
 *    may go on using the store: it starts workers of its own.
 *
 * Only what stands in this file is the interface of the library.
 */
#ifndef NPVEC_H
#define NPVEC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NPV_VERSION_MAJOR 0
#define NPV_VERSION_MINOR 1
#define NPV_VERSION_PATCH 0

/* Marks the functions that the shared library exports. */
#define NPV_API __attribute__((visibility("default")))

/* The library's version, "0.1.0": of the library that runs, where NPV_VERSION_* are of the header compiled with. */
NPV_API const char *npv_version(void);

/* ------------------------------------------------------------------------------------------------------ Errors -- */

/* Numbers never change; new ones are added in the gaps. */
typedef enum npv_status {
    NPV_OK = 0,
    NPV_E_ARGUMENT = 10,    /* the caller's value is wrong: dimensions, k = 0, a vector that is not finite, bad JSON */
    NPV_E_RANGE = 20,       /* a row number outside the store */
    NPV_E_MEMORY = 30,      /* memory or address space could not be had */
    NPV_E_IO = 40,          /* a system call on a file failed; the message carries the system's reason */
    NPV_E_FORMAT = 50,      /* the file is damaged, or is not a file that npvec reads */
    NPV_E_UNSUPPORTED = 60, /* the file is sound but holds something that npvec does not take */
    NPV_E_LIMIT = 70        /* a documented limit was passed (NPV_MAX_*) */
} npv_status;

/* Owned by the caller, filled on failure, unchanged on success. */
typedef struct npv_error {
    npv_status code;
    size_t position; /* in text input (JSON): how many bytes were read when the mistake showed; else NPV_NO_POSITION */
    char message[512]; /* one line: what was expected, what was found, where; always zero-terminated */
} npv_error;

#define NPV_NO_POSITION SIZE_MAX

/* ------------------------------------------------------------------------------------------------------ Limits -- */

#define NPV_MAX_DIMENSIONS 65536        /* floats in a vector */
#define NPV_MAX_DOCUMENT_BYTES 16777216 /* one document, as JSON and as stored */
#define NPV_MAX_DOCUMENT_DEPTH 128      /* arrays and objects inside one another */
#define NPV_MAX_THREADS 64

/* ------------------------------------------------------------------------------------------------------ Stores -- */

typedef struct npv_store npv_store;

typedef enum npv_normalize {
    NPV_NORMALIZE_AUTO = 0, /* npv_create: on. npv_open: what the file says, or what its rows are (see npv_open) */
    NPV_NORMALIZE_ON = 1,   /* rows are scaled to unit length when added, and so are queries */
    NPV_NORMALIZE_OFF = 2   /* rows are kept as given; cosine divides by their lengths */
} npv_normalize;

typedef struct npv_store_options {
    size_t size;             /* sizeof(npv_store_options) */
    size_t dimensions;       /* floats in a vector, 1 to NPV_MAX_DIMENSIONS; npv_open: 0, or what the file must have */
    npv_normalize normalize; /* npv_open: AUTO, or what the file must say */
    unsigned threads;        /* threads of one search, the caller's included; 0: the machine's processors, at most 8 */
    int no_codes;            /* 1: never keep the coarse copy of the rows that makes searches fast (see npv_search) */
    int reserved;            /* 0 */
} npv_store_options;

#define NPV_STORE_OPTIONS_INIT {sizeof(npv_store_options), 0, NPV_NORMALIZE_AUTO, 0, 0, 0}

/*
 * Makes an empty store in memory. `options->dimensions` is required. *store is the caller's, to be passed to
 * npv_close. Nothing is written before npv_save.
 */
NPV_API npv_status npv_create(const npv_store_options *options, npv_store **store, npv_error *error);

/*
 * Opens the store in the file at `path`.
 *
 * Read are: archives that npvec or numpy-vector-store wrote; any .npz with a two-dimensional member `vectors` and, if
 * it has one, a one-dimensional member `metadata` of as many rows; a two-dimensional .npy. Vectors may be <f4, <f8,
 * <f2 or big-endian, in C or Fortran order, stored or deflated. Those that are stored, aligned, <f4 and in C order are
 * mapped: opening takes the same short time for any size, and memory is used only for pages that are read. All others
 * are converted in memory; npv_get_info says which happened and why.
 *
 * A file that says nothing of normalisation opens as normalised if every row has unit length to within 1e-4, and as
 * not normalised otherwise. Vectors from elsewhere are checked for non-finite values when opened; a file that carries
 * npvec's mark is taken at its word until npv_save rewrites it.
 *
 * Documents are read when they are first needed, so a mistake in them is reported by npv_get_document, npv_add and
 * npv_save. They are parsed as data: nothing in a file is ever executed.
 *
 * Fails with NPV_E_IO, NPV_E_FORMAT, NPV_E_UNSUPPORTED, NPV_E_ARGUMENT (the file is not what `options` ask for).
 */
NPV_API npv_status npv_open(const char *path, const npv_store_options *options, npv_store **store, npv_error *error);

/* Frees the store and all pointers borrowed from it. Saves nothing. NULL is allowed. Never fails. */
NPV_API void npv_close(npv_store *store);

typedef struct npv_save_options {
    size_t size;  /* sizeof(npv_save_options) */
    int compress; /* 0: vectors stored, so that they can be mapped. 1: members deflated, smaller and slower to open */
    int reserved; /* 0 */
} npv_save_options;

#define NPV_SAVE_OPTIONS_INIT {sizeof(npv_save_options), 0, 0}

/*
 * Writes the store to `path`, or, when it is NULL, to the path that it was opened from or last saved to. `path`
 * becomes that path. The name must end in .npz.
 *
 * The file is written beside its destination, flushed to the disk and renamed into place: at every moment, also across
 * a power loss, the path holds the whole old file or the whole new one. Permissions of an existing file are kept.
 * Time and disk space are in proportion to the size of the store.
 */
NPV_API npv_status npv_save(npv_store *store, const char *path, const npv_save_options *options, npv_error *error);

typedef enum npv_metadata_kind {
    NPV_METADATA_NONE = 0,      /* no row has a document */
    NPV_METADATA_DOCUMENTS = 1, /* rows have JSON documents */
    NPV_METADATA_TYPED = 2      /* a structured NumPy array; kept byte for byte, not yet readable through this API */
} npv_metadata_kind;

typedef struct npv_info {
    size_t size; /* sizeof(npv_info), set by the caller */
    uint64_t rows;
    size_t dimensions;
    int normalize; /* 1: rows have unit length */
    npv_metadata_kind metadata;
    int mapped;          /* 1: vectors are mapped from the file, 0: they are in memory */
    unsigned threads;    /* of one search */
    const char *kernels; /* "scalar", "avx2", "avx512", "neon", "neon-dot" */
    const char *path;    /* where npv_save writes; NULL: nowhere yet. Valid until the next npv_save or npv_close */
    char origin[160];    /* how the vectors came in: "mapped", or "converted: float64, Fortran order" and the like */
} npv_info;

/* Fills *info. O(1). */
NPV_API npv_status npv_get_info(npv_store *store, npv_info *info, npv_error *error);

/* Rows in the store, which must not be NULL. O(1). */
NPV_API uint64_t npv_count(npv_store *store);

/* -------------------------------------------------------------------------------------------------------- Rows -- */

typedef struct npv_batch {
    size_t size;                  /* sizeof(npv_batch) */
    size_t count;                 /* rows to add */
    const float *vectors;         /* count x dimensions */
    const char *const *documents; /* count JSON texts, each NULL for a row without one; or NULL: no row has one */
} npv_batch;

#define NPV_BATCH_INIT {sizeof(npv_batch), 0, NULL, NULL}

/*
 * Adds the rows of `batch`, all or none; they get consecutive row numbers, the first of which is stored in *first_row
 * (may be NULL). Everything is copied. O(count x dimensions); rows that are already in the store are never copied.
 *
 * Errors name the first row of the batch (from 0) that is at fault: NPV_E_ARGUMENT for a component that is not finite,
 * a vector of length zero in a store that normalises, a document that is not JSON (with position). Integers in
 * documents must fit 64 bits.
 */
NPV_API npv_status npv_add(npv_store *store, const npv_batch *batch, uint64_t *first_row, npv_error *error);

/* Removes all rows and frees their memory. The file is unchanged until npv_save. */
NPV_API npv_status npv_clear(npv_store *store, npv_error *error);

/*
 * All vectors, npv_count(store) x dimensions, borrowed: valid until npv_close. Rows never move, so the pointer stays
 * good while rows are added (which then stand behind the ones already there); after npv_clear what it points to is
 * unspecified, but may still be read. NULL for a store that never had a row. `store` must not be NULL.
 */
NPV_API const float *npv_vectors(npv_store *store);

/* One vector, borrowed as above. NPV_E_RANGE if there is no such row. O(1). */
NPV_API npv_status npv_get_vector(npv_store *store, uint64_t row, const float **vector, npv_error *error);

/*
 * One document as JSON text in *json, which is the caller's: npv_free it. *json is NULL for a row without one.
 *
 * Integers stay integers, and keys keep their order. What Python can store and JSON cannot spell is written thus: NaN
 * and infinities as NaN, Infinity, -Infinity, as Python does; bytes as {"$bytes": "<base64>"}; tuples as arrays;
 * NumPy scalars as their values. The store itself, and the file, keep the types.
 */
NPV_API npv_status npv_get_document(npv_store *store, uint64_t row, char **json, npv_error *error);

/* Frees what the library handed over. NULL is allowed. */
NPV_API void npv_free(void *memory);

/* ------------------------------------------------------------------------------------------------------ Search -- */

/*
 * Scores. dot(a, b) is computed in float64 from the float32 values: product j is added to lane j mod 16 of sixteen
 * lanes, in order of j, and the lanes are added pairwise: lane i += lane i + 8, then + 4, + 2, + 1. |a| = sqrt(dot(a,
 * a)). Let q be the query, in float32; where the store normalises, or the metric is cosine, q is first replaced by
 * q / |q|, rounded to float32. For a row x:
 *
 *      NPV_COSINE     dot(q, x), divided by |x| where the store does not normalise          higher is better
 *      NPV_DOT        dot(q, x)                                                             higher is better
 *      NPV_EUCLIDEAN  sqrt of the sum of (q[j] - x[j])^2 in float64, in the same lanes      lower is better
 */
typedef enum npv_metric { NPV_COSINE = 0, NPV_DOT = 1, NPV_EUCLIDEAN = 2 } npv_metric;

/* What a search did, summed over the queries of the call. No part of the answer depends on it. */
typedef struct npv_explain {
    size_t size;      /* sizeof(npv_explain), set by the caller */
    const char *plan; /* "plain": float32 rows; "cascade 4-8-32", "cascade 8-32": bits read, coarse to fine */
    uint64_t queries;
    uint64_t rows;   /* eligible rows x queries */
    uint64_t rows4;  /* of them, rows whose high four bits a dimension were read, */
    uint64_t rows8;  /* all eight bits, */
    uint64_t rows32; /* the float32 row */
    uint64_t bytes4; /* bytes of codes and vectors that this makes */
    uint64_t bytes8;
    uint64_t bytes32;
    uint64_t survivors;    /* rows that the first level could not rule out */
    uint64_t rows_coded;   /* rows of which this call made the coarse copy, */
    double coding_seconds; /* and what that took */
    double search_seconds; /* without it */
} npv_explain;

typedef struct npv_search_options {
    size_t size; /* sizeof(npv_search_options) */
    npv_metric metric;
    int exhaustive;              /* 1: scan the float32 rows, whatever would be faster: same answer, for comparison */
    size_t k;                    /* most hits for a query; at least 1; any number above the rows means all rows */
    double min_score;            /* cosine and dot: only rows that score at least this; -INFINITY: no limit */
    double max_distance;         /* Euclidean: only rows at most this far; INFINITY: no limit */
    const uint64_t *within_rows; /* only these rows, each at most once, in any order; NULL: all rows */
    size_t within_count;         /* of within_rows */
    npv_explain *explain;        /* filled if not NULL */
} npv_search_options;

#define NPV_SEARCH_OPTIONS_INIT \
    {sizeof(npv_search_options), NPV_COSINE, 0, 10, -(double)INFINITY, (double)INFINITY, NULL, 0, NULL}

typedef struct npv_hit {
    uint64_t row;
    double score; /* for NPV_EUCLIDEAN the distance */
} npv_hit;

/* The hits of query i are hit[starts[i]] to hit[starts[i + 1] - 1], best first. Owned by the caller: npv_hits_free. */
typedef struct npv_hits {
    size_t query_count;
    size_t *starts; /* query_count + 1 entries */
    npv_hit *hit;
} npv_hits;

/*
 * Finds the rows nearest to each of `query_count` queries (query_count x dimensions floats): for every query exactly
 * min(k, eligible rows) hits in the order (best score, then lowest row). Several queries in one call are answered
 * faster than one by one, with the same bits.
 *
 * Work is in proportion to rows x dimensions x queries, divided among the store's threads; memory to k x queries x
 * threads, and some bytes for each row. Once searches have read as much as it costs, the store makes a coarse copy of its
 * rows (8 bits a dimension and 20 bytes a row, about 26 % of the vectors' size), and from then on reads an eighth of the
 * bytes and the few rows that these cannot rule out; the answer stays the same to the bit. The copy is never saved;
 * npv_clear frees it, and `no_codes` forbids it.
 *
 * NPV_E_ARGUMENT: k = 0, a query that is not finite, a query of length zero where it must be normalised, a row listed
 * twice, a stored row of length zero that cosine would have to score. NPV_E_RANGE: a row of within_rows outside the
 * store.
 */
NPV_API npv_status npv_search(npv_store *store, const float *queries, size_t query_count,
                              const npv_search_options *options, npv_hits *hits, npv_error *error);

/* Frees the arrays of *hits and zeroes it. */
NPV_API void npv_hits_free(npv_hits *hits);

#ifdef __cplusplus
}
#endif

#endif
