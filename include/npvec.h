/*
 * npvec - an embedded, exact vector store.
 *
 * One .npz file is the database: np.load reads what npvec writes, and npvec reads what np.savez writes. Vectors are
 * float32 rows; each row may carry an id and a JSON document, or typed fields. A search compares the query with every
 * row that a filter lets through, and returns the true nearest ones: there is no index to build and no recall to tune.
 *
 * Caveats first
 *
 *  - Exact means: the first k rows in the order (best score first, then lowest row number), where a score is a value
 *    defined to the last bit (see "Scores" below). The answer is the same on every CPU and for every thread count.
 *  - A search costs time in proportion to rows x dimensions. npvec is meant for a thousand to a million rows.
 *  - A store is in memory, or mapped from its file, until npv_save writes it. What was not saved is lost, unless the
 *    store is open for writing (`durability`): then each change is kept in a journal beside the file.
 *  - One store at a time has a file open for writing; any number may read it. Without `durability` nothing is locked
 *    while a store is open: of two processes that save to one path the last one wins.
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
 *    fills *error, leaves its other outputs untouched, and leaves the store as it was before the call. (One exception:
 *    a change that could not be flushed to the disk is in the store, and may be in the file.)
 *  - Nothing here prints, exits, or reads the environment.
 *  - Vectors are float32, row after row without gaps (C order): `count` rows of `dimensions` floats.
 *  - Rows are numbered from 0 in the order in which they were added. A row that is replaced keeps its number. A deleted
 *    row keeps its place, and the others their numbers, until npv_save, which closes the gaps.
 *  - Structs that callers fill are led by their own size, so that they can grow without breaking callers: start option
 *    structs and batches from their *_INIT value, and set `size` in those that are to be filled. NULL options mean the
 *    *_INIT value.
 *  - Text is UTF-8 and ends with a zero byte. Paths are what open(2) takes.
 *
 * Threads
 *
 *  - Different stores are independent.
 *  - One store may be used by any number of threads at once. Calls that read (search, get, info, save) run side by
 *    side; calls that change it (add, upsert, set_documents, delete, clear, and save where rows were deleted) wait for
 *    them and run alone. npv_close must be the last call on a store.
 *  - A search uses the store's own worker threads (`threads`), which sleep between searches, on Linux away from the
 *    last caller's processor; the caller's own threads run where they may. After fork() the child may go on using the
 *    store: it starts workers of its own. It may not write to a file that its parent has open for writing (NPV_E_BUSY).
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
    NPV_E_RANGE = 20,       /* a row number outside the store, or of a deleted row */
    NPV_E_NOT_FOUND = 22,   /* no row has this id; no such field */
    NPV_E_EXISTS = 24,      /* another row has this id */
    NPV_E_MEMORY = 30,      /* memory or address space could not be had */
    NPV_E_IO = 40,          /* a system call on a file failed; the message carries the system's reason */
    NPV_E_BUSY = 45,        /* another process, or another store of this one, has the file open for writing */
    NPV_E_FORMAT = 50,      /* the file is damaged, or is not a file that npvec reads */
    NPV_E_UNSUPPORTED = 60, /* the file is sound but holds something that npvec does not take */
    NPV_E_LIMIT = 70        /* a documented limit was passed (NPV_MAX_*) */
} npv_status;

/* Owned by the caller, filled on failure, unchanged on success. */
typedef struct npv_error {
    npv_status code;
    size_t position;   /* in text (JSON, filters): the byte where what is wrong begins; else NPV_NO_POSITION */
    char message[512]; /* one line: what was expected, what was found, where; always zero-terminated */
} npv_error;

#define NPV_NO_POSITION SIZE_MAX

/* ------------------------------------------------------------------------------------------------------ Limits -- */

#define NPV_MAX_DIMENSIONS 65536        /* floats in a vector */
#define NPV_MAX_DOCUMENT_BYTES 16777216 /* one document, as JSON and as stored */
#define NPV_MAX_DOCUMENT_DEPTH 128      /* arrays and objects inside one another */
#define NPV_MAX_INTEGER_BYTES 1024      /* an integer in a document: 2,465 digits */
#define NPV_MAX_OBJECT_BYTES 1073741824 /* one object beside a document (npv_batch) */
#define NPV_MAX_THREADS 64
#define NPV_MAX_ID_BYTES 512          /* one id, in UTF-8 */
#define NPV_MAX_FIELDS 1024           /* typed fields of a store */
#define NPV_MAX_FILTER_BYTES 16777216 /* text of a filter, and its parameters */
#define NPV_MAX_FILTER_DEPTH 128      /* conditions inside one another */
#define NPV_KEPT_COLUMNS 64           /* of fields of documents, between calls; see npv_selection */

/*
 * What reading a file may cost, whatever is in it. Members that are mapped cost nothing, others their size; a deflated
 * one is at most 1,032 times as large as its part of the file. Reading documents takes up to 45 bytes for each byte of
 * their pickle, which are freed, and the documents: NPV_MAX_DOCUMENT_BYTES each, and of a pickle of n bytes in all 128
 * n and the smaller of n * n / 8 and 256 MiB, because rows may share what each of them gets a copy of. Time is in
 * proportion to memory. An archive has at most 1,024 members, the header of an array at most 1 MiB. Memory that cannot
 * be had is NPV_E_MEMORY. A program that opens files of strangers limits their size, or its memory.
 */

/* ------------------------------------------------------------------------------------------------------ Stores -- */

typedef struct npv_store npv_store;

typedef enum npv_normalize {
    NPV_NORMALIZE_AUTO = 0, /* npv_create: on. npv_open: what the file says, or what its rows are (see npv_open) */
    NPV_NORMALIZE_ON = 1,   /* rows are scaled to unit length when added, and so are queries */
    NPV_NORMALIZE_OFF = 2   /* rows are kept as given; cosine divides by their lengths */
} npv_normalize;

/*
 * A typed field: a name and NumPy's type without byte order: "b1", "i1" to "i8", "u1" to "u8", "f2" to "f8",
 * "U<characters>", "S<bytes>", "M8[<unit>]", "m8[<unit>]".
 */
typedef struct npv_field {
    const char *name;
    const char *type;
} npv_field;

/*
 * How safe a change is when the call that made it returns.
 *
 * With anything but OFF the store is open for writing: each batch that is added or replaced, each deletion and each
 * npv_clear is one record in the journal, the file "<path>-journal", and is there as a whole or not at all when the
 * file is opened the next time, by whatever the process ended. npv_save writes the archive anew and empties the
 * journal. That also happens by itself, in the change that makes the journal larger than 64 MiB and than twice the
 * archive (but not while there are deleted rows, because row numbers would change), or when the file is opened.
 * npv_close only closes: the journal is read when the file is opened again. Whoever moves or copies the file moves or
 * copies both.
 *
 * The journal is locked by the store until npv_close, or until its process ends. Others get NPV_E_BUSY, with its
 * number. They may read meanwhile; they never wait for the writer, nor it for them.
 *
 * If a change cannot be written (a full disk), it is not made. If one cannot be flushed, no more changes are taken
 * until npv_save succeeds. Locks need a file system that has them: most have, and NFS where its servers do; where there
 * are none the file cannot be opened for writing. On NFS, writer and readers must be on one machine, because caches of
 * others lag behind.
 */
typedef enum npv_durability {
    NPV_DURABILITY_OFF = 0, /* in memory until npv_save */
    NPV_DURABILITY_OS = 1,  /* with the system: a crash of the process cannot lose it, one of the machine can */
    NPV_DURABILITY_DISK = 2 /* on the disk. Threads that change the store at the same time share a flush */
} npv_durability;

typedef struct npv_store_options {
    size_t size;             /* sizeof(npv_store_options) */
    size_t dimensions;       /* floats in a vector, 1 to NPV_MAX_DIMENSIONS; npv_open: 0, or what the file must have */
    npv_normalize normalize; /* npv_open: AUTO, or what the file must say */
    unsigned threads;        /* threads of one search, the caller's included; 0: the machine's processors, at most 8 */
    int no_codes;            /* 1: never keep the coarse copy of the rows that makes searches fast (see npv_search) */
    npv_durability durability; /* OFF: for reading, and for npv_save. npv_create: takes effect at the first npv_save */
    const npv_field *fields; /* npv_create: the typed fields that every row has. NULL: rows have documents. npv_open: */
    size_t field_count;      /* NULL, or, with durability, what the file must have, and gets if it is created */
} npv_store_options;

#define NPV_STORE_OPTIONS_INIT {sizeof(npv_store_options), 0, NPV_NORMALIZE_AUTO, 0, 0, NPV_DURABILITY_OFF, NULL, 0}

/*
 * Makes an empty store in memory. `options->dimensions` is required. *store is the caller's, to be passed to
 * npv_close. Nothing is written before npv_save, which also begins the journal if the store is to have one.
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
 * A journal beside the file is read too, by everybody: the store is what its writer had made of it at that moment. This
 * takes time in proportion to the journal, and to the documents and ids of the file. What a crash left unfinished at
 * its end is passed over, and journal_note of npv_info says so; damage before the end is NPV_E_FORMAT. A journal of
 * another archive, such as a crash during npv_save leaves, is never applied.
 *
 * With `durability` the file is opened for writing, and must be named .npz. If it is not there and `dimensions` are
 * given, it is created, empty. A file from elsewhere keeps its form until it is saved; one that npv_save would not
 * overwrite, because that would lose something, is refused.
 *
 * Fails with NPV_E_IO, NPV_E_FORMAT, NPV_E_UNSUPPORTED, NPV_E_BUSY, NPV_E_ARGUMENT (the file is not what `options` ask
 * for).
 */
NPV_API npv_status npv_open(const char *path, const npv_store_options *options, npv_store **store, npv_error *error);

/*
 * For a store that was opened from a file with durability off: catches up with what a writer, of this process or
 * another, has done since. Afterwards the store is as at one moment between two changes; the changes that are read are
 * read whole.
 *
 * *changed (may be NULL) becomes 0: nothing is new; 1: rows came, changed or went, and the others have their numbers;
 * 2: rows may have other numbers, because the writer saved after deleting, or the file was replaced. The work is in
 * proportion to what is new; if it has to open the file anew, to that. The pointer of npv_vectors stays good up to 1.
 * After 2 it must be asked for again; the old one still shows the old rows until the next time, and may be read, with
 * unspecified contents, until npv_close.
 *
 * Waits for searches of this store, and never for the writer. Does nothing for a store that is open for writing, whose
 * file nobody else changes. NPV_E_ARGUMENT for a store without a file, or with changes of its own; NPV_E_FORMAT if the
 * journal is damaged: what lies before has been read then.
 */
NPV_API npv_status npv_refresh(npv_store *store, int *changed, npv_error *error);

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
 *
 * NPV_E_BUSY: another store has this file open for writing, or its journal holds changes that this one has not seen. A
 * store that is itself open for writing goes on with the journal of `path`; the file and the journal that it had stay.
 */
NPV_API npv_status npv_save(npv_store *store, const char *path, const npv_save_options *options, npv_error *error);

typedef enum npv_metadata_kind {
    NPV_METADATA_NONE = 0,      /* no row has a document */
    NPV_METADATA_DOCUMENTS = 1, /* rows have JSON documents */
    NPV_METADATA_TYPED = 2      /* rows have typed fields (npv_get_schema): a structured array in the file */
} npv_metadata_kind;

typedef struct npv_info {
    size_t size;      /* sizeof(npv_info), set by the caller */
    uint64_t rows;    /* without deleted ones */
    uint64_t row_end; /* row numbers are below; equals `rows` unless rows were deleted since the last npv_save */
    size_t dimensions;
    int normalize; /* 1: rows have unit length */
    npv_metadata_kind metadata;
    int mapped;          /* 1: vectors are mapped from the file, 0: they are in memory */
    unsigned threads;    /* of one search */
    const char *kernels; /* "scalar", "avx2", "avx512", "neon", "neon-dot" */
    const char *path;    /* where npv_save writes; NULL: nowhere yet. Valid until the next npv_save or npv_close */
    uint64_t ids;        /* rows that have an id */
    char origin[160];    /* how the vectors came in: "mapped", or "converted: float64, Fortran order" and the like */
    npv_durability durability; /* of changes from now on; OFF before the first npv_save of a store from npv_create */
    uint64_t generation;       /* of the archive: 1 more at each npv_save; 0: npvec has not written it */
    uint64_t journal_bytes;    /* of the journal, as far as it is in this store; 0: it has none */
    char journal_note[160];    /* what of a journal was passed over, and why; or "" */
    int objects;               /* 1: rows may have objects (npv_get_object). Of a file that npvec wrote O(1), too */
    int reserved;              /* 0 */
} npv_info;

/* Fills *info. O(1), but for the first call on a file with ids, which reads these. */
NPV_API npv_status npv_get_info(npv_store *store, npv_info *info, npv_error *error);

/* Rows in the store, without deleted ones. The store must not be NULL. O(1). */
NPV_API uint64_t npv_count(npv_store *store);

/* Takes a line of what was found: valid during the call, no line feed. */
typedef void npv_report(void *context, const char *line);

typedef struct npv_verification {
    size_t size;           /* sizeof(npv_verification), set by the caller */
    uint64_t findings;     /* things that are wrong */
    uint64_t rows;         /* that can be had: what npv_repair saves */
    uint64_t rows_partial; /* of these, without the document, record or id that they had, as far as that is known */
    uint64_t rows_lost;    /* as far as they can be counted */
} npv_verification;

/*
 * Reads everything in the file at `path` and in its journal, and checks it: the directory of the archive against the
 * members, the CRC-32 of each, headers and shapes against each other, that vectors are finite and, where the store
 * normalises, of unit length, documents, records, ids, and each change of the journal. Each thing that is wrong is told
 * to `report` (may be NULL) with its place, and counted in *result (may be NULL). Lines that are not counted say what
 * is worth knowing and no damage, such as the end of a change that a crash left unfinished. Changes nothing, locks
 * nothing, and may run beside a writer: it checks the store as it was at one moment.
 *
 * NPV_OK with findings 0: everything is sound. Errors are for files that cannot be checked: NPV_E_IO, NPV_E_MEMORY,
 * NPV_E_FORMAT for a file in which there is nothing of a store, NPV_E_UNSUPPORTED for what npvec does not read. Time is
 * that of reading the files; memory that of documents, records, ids and journal, and of vectors that cannot be mapped.
 */
NPV_API npv_status npv_verify(const char *path, npv_report *report, void *context, npv_verification *result,
                              npv_error *error);

/*
 * Saves what can be had of the store at `from`, journal included, to a new file `to`, and tells `report` all that
 * npv_verify does, with rows, ids and bytes that are lost. Nothing is ever overwritten: NPV_E_EXISTS if there is a file
 * `to` or a journal of it. Rows close up, as with npv_save, so their numbers may be others.
 *
 * A CRC-32 says that a member is damaged, not where. Of damaged vectors those rows are saved that are finite and, where
 * the store normalises, of unit length; of damaged documents those before the first one that cannot be read, or all if
 * all can; of damaged ids those that are text and there once. So a row saved from a damaged member may be a wrong one:
 * the report says which members are damaged. What is saved from sound members and changes is as it was.
 *
 * NPV_E_FORMAT if no vectors can be had; then there is no file `to`.
 */
NPV_API npv_status npv_repair(const char *from, const char *to, npv_report *report, void *context,
                              npv_verification *result, npv_error *error);

/* -------------------------------------------------------------------------------------------------------- Rows -- */

/* Bytes that a row keeps beside its document; `data` NULL: it has none. */
typedef struct npv_object {
    const void *data;
    size_t size;
} npv_object;

typedef struct npv_batch {
    size_t size;                  /* sizeof(npv_batch) */
    size_t count;                 /* rows to add */
    const float *vectors;         /* count x dimensions; npv_upsert: NULL keeps those of the rows */
    const char *const *documents; /* count JSON texts, each NULL for a row without one; or NULL: no row has one */
    const char *const *ids;       /* count ids, each NULL for a row without one; or NULL: no row has one */
    const void *records;       /* of a store with typed fields: count records (npv_get_schema), or NULL: `documents` */
    const npv_object *objects; /* count pickles of what the rows are in Python; or NULL: no row has one. See below */
} npv_batch;

#define NPV_BATCH_INIT {sizeof(npv_batch), 0, NULL, NULL, NULL, NULL, NULL}

/*
 * Objects are for what JSON cannot say. A pickle that is data (tuples, bytes, NumPy scalars: docs/format-pickle.md) is
 * read, never run, and is the row's document, in place of the JSON. Any other, of a date or of an instance of a class,
 * is carried as bytes, in memory, in the journal and in the file; filters and npv_get_document see the document beside
 * it, which says of the object what JSON can. Who unpickles the file, as np.load does if it is allowed to, gets the
 * object in place of the document, and runs what its pickle names. A store with typed fields takes none.
 */

/*
 * Adds the rows of `batch`, all or none; they get consecutive row numbers, the first of which is stored in *first_row
 * (may be NULL). Everything is copied. O(count x dimensions); rows that are already in the store are never copied.
 *
 * Ids are unique, not empty, and UTF-8. A store with typed fields takes records, or documents: JSON objects with
 * exactly its fields, each with a value that its type holds without loss: text that fits and does not end in a zero
 * character ("S": ASCII, or {"$bytes": "<base64>"}), integers in range, ISO 8601 dates no finer than the unit, integers
 * of the unit for "m8". Numbers for "f2" and "f4" are rounded as NumPy does; integers for floats must be exact in
 * float64. null is NaN or NaT. What npv_get_document shows is taken back.
 *
 * JSON is RFC 8259's, in UTF-8, and has the NaN, Infinity and -Infinity of Python. Numbers without point and exponent
 * are integers, of any length up to NPV_MAX_INTEGER_BYTES; others the nearest float64. Keys of an object must be
 * different.
 *
 * Errors name the first row of the batch (from 0) that is at fault: NPV_E_ARGUMENT for a component that is not finite,
 * a vector of length zero in a store that normalises, a document that is not JSON (with position), a value that does
 * not fit its field; NPV_E_EXISTS for an id that another row has; NPV_E_LIMIT.
 */
NPV_API npv_status npv_add(npv_store *store, const npv_batch *batch, uint64_t *first_row, npv_error *error);

/*
 * The same for rows that may be there: a row whose id is in the store replaces vector, document or record of the row
 * with that id, in place; the others are added. All of them have an id, each another. Their row numbers are stored in
 * `rows` (count of them, or NULL), and how many were replaced in *replaced (may be NULL).
 *
 * Without `vectors` only documents or records are replaced: all ids must be there, else NPV_E_NOT_FOUND.
 */
NPV_API npv_status npv_upsert(npv_store *store, const npv_batch *batch, uint64_t *rows, uint64_t *replaced,
                              npv_error *error);

/*
 * Replaces the documents, or records, of rows that are there, all or none: those of the batch are for the row numbers
 * in `rows` (batch->count of them, each once). It has neither vectors nor ids: rows keep theirs. A document that is
 * NULL leaves its row without one. O(count); columns that filters have made are kept up to date.
 *
 * Fails like npv_add, and with NPV_E_RANGE for a row that is not there, NPV_E_ARGUMENT for one that is listed twice.
 */
NPV_API npv_status npv_set_documents(npv_store *store, const uint64_t *rows, const npv_batch *batch, npv_error *error);

/*
 * Deletes the selected rows (see npv_selection), all or none, and stores their number in *deleted (may be NULL). Their
 * ids are free at once; their space is, and row numbers close up, at the next npv_save. A selection that does not say
 * which rows is refused: npv_clear removes all.
 */
typedef struct npv_selection npv_selection;
NPV_API npv_status npv_delete(npv_store *store, const npv_selection *selection, uint64_t *deleted, npv_error *error);

/* Removes all rows and frees their memory; fields stay declared. The file is unchanged until npv_save. */
NPV_API npv_status npv_clear(npv_store *store, npv_error *error);

/*
 * All vectors, row_end (npv_get_info) x dimensions, borrowed: valid until npv_close. Rows never move, so the pointer
 * stays good while rows are added (which then stand behind the ones already there). Only npv_upsert changes a vector in
 * its place, and npv_save, where rows were deleted, moves those behind them up; after npv_clear what the pointer points
 * to is unspecified, but may still be read. NULL for a store that never had a row. `store` must not be NULL.
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

/*
 * The same, but only these fields of it, in this order: {"author.name": "Ada", "year": 1843}. What is missing is left
 * out.
 */
NPV_API npv_status npv_get_fields(npv_store *store, uint64_t row, const char *const *fields, size_t field_count,
                                  char **json, npv_error *error);

/*
 * One document with the types that JSON cannot spell, without its object, as a pickle (protocol 4) in *pickle, which is
 * the caller's: npv_free it. It is data that calls nothing but NumPy's constructors of scalars. *pickle is NULL for a
 * row without a document.
 */
NPV_API npv_status npv_get_pickle(npv_store *store, uint64_t row, unsigned char **pickle, size_t *pickle_size,
                                  npv_error *error);

/* A row's object: as npv_batch had it, in *object, which is the caller's: npv_free it. NULL for a row without one. */
NPV_API npv_status npv_get_object(npv_store *store, uint64_t row, unsigned char **object, size_t *object_size,
                                  npv_error *error);

/* The row with this id. NPV_E_NOT_FOUND if there is none. O(1). */
NPV_API npv_status npv_find(npv_store *store, const char *id, uint64_t *row, npv_error *error);

/* The id of a row, or NULL if it has none. Borrowed: valid until the next call that writes to the store. O(1). */
NPV_API npv_status npv_get_id(npv_store *store, uint64_t row, const char **id, npv_error *error);

/* The typed fields of a store, and the records themselves. All of it is borrowed, as npv_vectors is. */
typedef struct npv_schema {
    size_t size; /* sizeof(npv_schema), set by the caller */
    const npv_field *fields;
    size_t field_count;  /* 0: the store has none, or its file has some that npvec keeps but does not read */
    size_t record_size;  /* bytes of a record; 0 without typed fields */
    const char *descr;   /* the record's type as NumPy spells it: "[('year', '<i4'), ('title', '<U200')]", or NULL */
    const void *records; /* row_end of them, without gaps */
} npv_schema;
NPV_API npv_status npv_get_schema(npv_store *store, npv_schema *schema, npv_error *error);

/* Frees what the library handed over. NULL is allowed. */
NPV_API void npv_free(void *memory);

/* ----------------------------------------------------------------------------------------------------- Filters -- */

/*
 * A condition on the fields of rows, in one of two spellings (docs/filters.md has the grammar and what each operator
 * means for each type):
 *
 *      year >= 2023 AND (citations > ? OR tags CONTAINS 'rag') AND author.name LIKE 'A%' AND source IS NOT NULL
 *      {"year": {"$gte": 2023}, "$or": [{"citations": {"$gt": 50}}, {"tags": {"$contains": "rag"}}]}
 *
 * Logic is SQL's, with three values: a missing field is NULL, and so is a comparison of values of different types. A
 * row passes if the condition is true.
 *
 * `parameters` is a JSON array with a value for each ? in the text, in order; a ? after IN takes an array. NULL: there
 * are none. *filter is the caller's: npv_filter_free. It belongs to no store, never changes, and may be used by any
 * number of threads at once. O(length of the text).
 *
 * NPV_E_ARGUMENT with the position in `text` (in `parameters`, if the message says so); NPV_E_LIMIT.
 */
typedef struct npv_filter npv_filter;
NPV_API npv_status npv_filter_new(const char *text, const char *parameters, npv_filter **filter, npv_error *error);
NPV_API void npv_filter_free(npv_filter *filter);

/*
 * Does the store have the fields that the filter names? NPV_E_NOT_FOUND with the position of the first one that no row
 * has, and the name that was probably meant. A store with typed fields refuses such a filter wherever it is used; in
 * documents a field that no row has is just NULL everywhere.
 */
NPV_API npv_status npv_filter_check(npv_store *store, const npv_filter *filter, npv_error *error);

/*
 * Which rows: those that everything says that is given. Start from NPV_SELECTION_INIT: all rows.
 *
 * Filters read columns, which are made from the documents when a field is first named, in O(rows), and kept up to date
 * from then on. A filter then costs a few bytes a row and field. A column takes 4 bytes a row, and its distinct values.
 * Of documents those of the NPV_KEPT_COLUMNS fields that were named last are kept, and others made anew when they are
 * named again, so that memory is bounded however many fields a program names.
 */
struct npv_selection {
    size_t size;              /* sizeof(npv_selection) */
    const npv_filter *filter; /* rows that pass; NULL: all */
    const uint64_t *rows;     /* these rows, each at most once; NULL: all. NPV_E_RANGE for one that is not there */
    size_t row_count;
    const char *const *ids; /* rows with these ids; ids that no row has are passed over; NULL: all */
    size_t id_count;
};

#define NPV_SELECTION_INIT {sizeof(npv_selection), NULL, NULL, 0, NULL, 0}

/* Stores the number of selected rows in *count. `selection` NULL: all. */
NPV_API npv_status npv_count_selected(npv_store *store, const npv_selection *selection, uint64_t *count,
                                      npv_error *error);

typedef struct npv_select_options {
    size_t size;                    /* sizeof(npv_select_options) */
    const npv_selection *selection; /* NULL: all rows */
    const char *order_by;           /* field; NULL: in order of row numbers */
    int descending;
    int reserved;    /* 0 */
    uint64_t offset; /* selected rows to pass over */
    uint64_t limit;  /* most rows to return; UINT64_MAX: no limit */
} npv_select_options;

#define NPV_SELECT_OPTIONS_INIT {sizeof(npv_select_options), NULL, NULL, 0, 0, 0, UINT64_MAX}

/*
 * The selected rows, without a query, in *rows, which is the caller's: npv_free it. Rows with equal values are in order
 * of their numbers; values of different types in this order, also when descending: false and true, numbers, text,
 * others, NULL, missing. O(rows + result log result).
 */
NPV_API npv_status npv_select(npv_store *store, const npv_select_options *options, uint64_t **rows, size_t *count,
                              npv_error *error);

/* A value of a field and how many of the selected rows have it. */
typedef struct npv_facet {
    char *json;
    uint64_t count;
} npv_facet;

typedef struct npv_facets {
    size_t count;
    npv_facet *facet; /* most frequent first; among equals in the order of npv_select */
    uint64_t missing; /* selected rows without the field */
} npv_facets;

/* The distinct values of a field. *facets is the caller's: npv_facets_free. O(rows + values log values). */
NPV_API npv_status npv_get_facets(npv_store *store, const char *field, const npv_selection *selection,
                                  npv_facets *facets, npv_error *error);
NPV_API void npv_facets_free(npv_facets *facets);

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
    double search_seconds; /* without it, and of it */
    double filter_seconds; /* for the rows that pass the filter */
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
    const npv_filter *filter;    /* only rows that pass; NULL: all rows */
} npv_search_options;

#define NPV_SEARCH_OPTIONS_INIT \
    {sizeof(npv_search_options), NPV_COSINE, 0, 10, -(double)INFINITY, (double)INFINITY, NULL, 0, NULL, NULL}

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
 * threads, and some bytes for each row. Once searches have read as much as it costs, the store makes a coarse copy of
 * its rows (8 bits a dimension and 20 bytes a row, about 26 % of the vectors' size), and from then on reads an eighth
 * of the bytes and the few rows that these cannot rule out; the answer stays the same to the bit. The copy is never
 * saved; npv_clear frees it, and `no_codes` forbids it.
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
