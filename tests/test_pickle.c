/* Pickles of object arrays: what Python writes is read, what is read is written back, and nothing else is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "meta/json.h"
#include "meta/value.h"
#include "npz/pickle.h"
#include "pickles.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(literal) ((npv_bytes){(const unsigned char *)(literal), sizeof(literal) - 1})

static npv_bytes bytes_of(const npv_buffer *buffer) {
    return (npv_bytes){buffer->data, buffer->size};
}

static npv_status collect(void *context, const void *data, size_t size, npv_error *error) {
    return npv_buffer_append(context, data, size, error);
}

static npv_buffer written(const npv_documents *documents) {
    npv_buffer pickle = {NULL, 0, 0};
    assert_int_equal(npv_pickle_write(documents, NULL, (npv_sink){collect, &pickle}, NULL), NPV_OK);
    assert_int_equal(pickle.size, npv_pickle_size(documents, NULL));
    return pickle;
}

/* Reads a copy that ends where its memory does. */
static npv_status read_pickle(npv_bytes pickle, uint64_t rows, npv_documents *documents, npv_error *error) {
    unsigned char *const copy = malloc(pickle.size > 0 ? pickle.size : 1);
    if (pickle.size > 0)
        memcpy(copy, pickle.data, pickle.size);
    const npv_status status = npv_pickle_read((npv_bytes){copy, pickle.size}, rows, documents, error);
    free(copy);
    return status;
}

/* Hostile input may be refused or not, but a refusal says why in one line and leaves nothing. */
static npv_status try_pickle(npv_bytes pickle, uint64_t rows) {
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    npv_error error = {NPV_OK, 0, ""};
    const npv_status status = read_pickle(pickle, rows, &documents, &error);
    assert_int_equal(error.code, status);
    if (status != NPV_OK) {
        assert_true(strlen(error.message) > 20);
        assert_null(strchr(error.message, '\n'));
        assert_int_equal(documents.count, 0);
        assert_int_equal(documents.fragments_size, 0);
    } else {
        assert_int_equal(documents.count, rows);
        npv_buffer pickled = written(&documents);
        free(pickled.data);
    }
    npv_documents_free(&documents);
    return status;
}

/* An array as npvec writes it, but with these opcodes as its rows. */
static npv_buffer array_of(uint64_t rows, npv_bytes opcodes) {
    npv_documents none = NPV_DOCUMENTS_EMPTY;
    npv_documents_append_none(&none, rows, NULL);
    npv_buffer frame = written(&none), pickle = {NULL, 0, 0};
    const size_t head = frame.size - rows - 4;
    npv_buffer_append(&pickle, frame.data, head, NULL);
    npv_buffer_append(&pickle, opcodes.data, opcodes.size, NULL);
    npv_buffer_append(&pickle, frame.data + frame.size - 4, 4, NULL);
    free(frame.data);
    npv_documents_free(&none);
    return pickle;
}

static void assert_rows_refused(uint64_t rows, npv_bytes opcodes, npv_status code, const char *message) {
    npv_buffer pickle = array_of(rows, opcodes);
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    npv_error error = {NPV_OK, 0, ""};
    const npv_status status = read_pickle(bytes_of(&pickle), rows, &documents, &error);
    if (status != code || strstr(error.message, message) == NULL)
        fail_msg("expected %d with \"%s\", found %d: %s", (int)code, message, (int)status, error.message);
    free(pickle.data);
}

/* The JSON of each row and a line feed; "-" for a row without a document. */
static void assert_documents(const npv_documents *documents, const char *expected) {
    npv_buffer text = {NULL, 0, 0};
    for (size_t row = 0; row < documents->count; row++) {
        const npv_bytes fragment = npv_documents_get(documents, row);
        if (fragment.size == 0)
            npv_buffer_append(&text, "-", 1, NULL);
        else
            assert_int_equal(npv_fragment_to_json(fragment, &text, NULL), NPV_OK);
        npv_buffer_append(&text, "\n", 1, NULL);
    }
    npv_buffer_append(&text, "", 1, NULL);
    assert_string_equal((const char *)text.data, expected);
    free(text.data);
}

static void assert_rows(uint64_t rows, npv_bytes opcodes, const char *expected) {
    npv_buffer pickle = array_of(rows, opcodes);
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    npv_error error = {NPV_OK, 0, ""};
    if (read_pickle(bytes_of(&pickle), rows, &documents, &error) != NPV_OK)
        fail_msg("%s", error.message);
    assert_documents(&documents, expected);
    npv_documents_free(&documents);
    free(pickle.data);
}

/* -------------------------------------------------------------------------------------------------- What is read -- */

#define CONSTANT(literal) {(const unsigned char *)(literal), sizeof(literal) - 1}
#define SPAN(array) {(const unsigned char *)(array), sizeof(array) - 1}
static const npv_bytes MIXED[] = {SPAN(MIXED_0), SPAN(MIXED_1), SPAN(MIXED_2),
                                  SPAN(MIXED_3), SPAN(MIXED_4), SPAN(MIXED_5)};
#define MIXED_ROWS 6

static void test_every_protocol_is_read_alike(void **state) {
    (void)state;
    npv_documents first = NPV_DOCUMENTS_EMPTY;
    assert_int_equal(read_pickle(MIXED[0], MIXED_ROWS, &first, NULL), NPV_OK);
    assert_documents(&first, "{\"id\": 7, \"\xc3\xbc\": [true, null, 2.5, -70000]}\n"
                             "-\n"
                             "[{\"$bytes\": \"/w==\"}, 1180591620717411303424, false]\n"
                             "\"x\\\\y\"\n"
                             "{}\n"
                             "[[], [], [\"b\"]]\n");
    for (size_t i = 1; i < COUNT(MIXED); i++) {
        npv_documents documents = NPV_DOCUMENTS_EMPTY;
        assert_int_equal(read_pickle(MIXED[i], MIXED_ROWS, &documents, NULL), NPV_OK);
        assert_int_equal(documents.fragments_size, first.fragments_size);
        assert_memory_equal(documents.fragments.data, first.fragments.data, first.fragments_size);
        npv_documents_free(&documents);
    }
    npv_documents_free(&first);
}

static void test_numpy_scalars_of_both_numpys_are_read_alike(void **state) {
    (void)state;
    const npv_bytes pickles[] = {BYTES(SCALARS_NUMPY1_2), BYTES(SCALARS_NUMPY2_4)};
    for (size_t i = 0; i < COUNT(pickles); i++) {
        npv_documents documents = NPV_DOCUMENTS_EMPTY;
        assert_int_equal(read_pickle(pickles[i], 10, &documents, NULL), NPV_OK);
        assert_documents(&documents,
                         "true\n-5\n18446744073709551615\n0.0999755859375\n0.10000000149011612\n0.1\n\"\xc3\xa9\"\n"
                         "{\"$bytes\": \"YWI=\"}\n\"2024-05-17T09:30\"\n{\"$timedelta\": [3, \"25us\"]}\n");
        npv_documents_free(&documents);
    }
}

static void test_what_is_written_is_what_python_loads(void **state) {
    (void)state;
    /* pickle.loads of this is np.array([None, {'a': 1}, []], dtype=object) in NumPy 1.24, 1.26, 2.0 and 2.4. */
    static const char expected[] =
        "\x80\x04"
        "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
        "C\1b\x87R"
        "(K\1\x8a\x08\3\0\0\0\0\0\0\0\x85"
        "cnumpy\ndtype\n\x8c\2O8\x89\x88\x87R(K\3\x8c\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
        "\x89](N}(\x8c\1aJ\1\0\0\0u](eetb.";
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    npv_documents_append_none(&documents, 1, NULL);
    npv_documents_append(&documents, BYTES("}(\x8c\1aJ\1\0\0\0u"), NULL);
    npv_documents_append(&documents, BYTES("](e"), NULL);
    npv_buffer pickle = written(&documents);
    assert_int_equal(pickle.size, sizeof expected - 1);
    assert_memory_equal(pickle.data, expected, pickle.size);
    free(pickle.data);
    npv_documents_free(&documents);
}

static void test_what_is_written_is_read_back(void **state) {
    (void)state;
    const struct {
        npv_bytes pickle;
        uint64_t rows;
    } cases[] = {{BYTES(MIXED_4), MIXED_ROWS}, {BYTES(SCALARS_NUMPY2_4), 10}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        npv_documents documents = NPV_DOCUMENTS_EMPTY, again = NPV_DOCUMENTS_EMPTY;
        assert_int_equal(read_pickle(cases[i].pickle, cases[i].rows, &documents, NULL), NPV_OK);
        npv_buffer pickle = written(&documents);
        assert_int_equal(read_pickle(bytes_of(&pickle), cases[i].rows, &again, NULL), NPV_OK);
        npv_buffer pickle_again = written(&again);
        assert_int_equal(pickle_again.size, pickle.size);
        assert_memory_equal(pickle_again.data, pickle.data, pickle.size);
        free(pickle.data);
        free(pickle_again.data);
        npv_documents_free(&documents);
        npv_documents_free(&again);
    }
}

static void test_no_rows_are_an_array_too(void **state) {
    (void)state;
    npv_buffer pickle = array_of(0, BYTES(""));
    assert_int_equal(try_pickle(bytes_of(&pickle), 0), NPV_OK);
    assert_int_equal(try_pickle(bytes_of(&pickle), 1), NPV_E_FORMAT);
    free(pickle.data);
}

static void test_integers_of_every_opcode(void **state) {
    (void)state;
    assert_rows(5, BYTES("K\xffM\xff\xffJ\xff\xff\xff\xffI-12345678901\nL-5L\n"), "255\n65535\n-1\n-12345678901\n-5\n");
    assert_rows(4, BYTES("\x8a\0\x8a\1\xff\x8a\x0a\1\0\0\0\0\0\0\0\0\0\x8b\x09\0\0\0\0\0\0\0\0\0\0\0\1"),
                "0\n-1\n1\n18446744073709551616\n");
    assert_rows(4, BYTES("I01\nI00\nI1\nI0\n"), "true\nfalse\n1\n0\n");
    assert_rows_refused(1, BYTES("I1x\n"), NPV_E_FORMAT, "opcode INT: its line is no integer");
    assert_rows_refused(1, BYTES("I\n"), NPV_E_FORMAT, "opcode INT");
    assert_rows_refused(1, BYTES("L-L\n"), NPV_E_FORMAT, "opcode LONG");
    static const char *const no_floats[] = {"",     "1,5",  ".",       "-",    "e5",    "1.5e",
                                            "1.5 ", "1..5", "1e99999", "0x10", "1.5e3x"};
    for (size_t i = 0; i < COUNT(no_floats); i++) {
        char line[32];
        const int length = snprintf(line, sizeof line, "F%s\n", no_floats[i]);
        assert_rows_refused(1, (npv_bytes){(const unsigned char *)line, (size_t)length}, NPV_E_FORMAT, "opcode FLOAT");
    }
    assert_rows(5, BYTES("F-1.5\nFnan\nF-inf\nF1e+16\nF4.9406564584124654e-324\n"),
                "-1.5\nNaN\n-Infinity\n1e+16\n5e-324\n");
}

/* LONG4 with `size` bytes of 0x7f. */
static npv_buffer long_integer(size_t size) {
    const unsigned char head[] = {0x8b, (unsigned char)size, (unsigned char)(size >> 8), 0, 0};
    npv_buffer opcodes = {NULL, 0, 0};
    npv_buffer_append(&opcodes, head, sizeof head, NULL);
    for (size_t i = 0; i < size; i++)
        npv_buffer_append(&opcodes, "\x7f", 1, NULL);
    return opcodes;
}

static void test_integers_have_a_largest_size(void **state) {
    (void)state;
    npv_buffer opcodes = long_integer(NPV_MAX_INTEGER_BYTES);
    npv_buffer pickle = array_of(1, bytes_of(&opcodes));
    assert_int_equal(try_pickle(bytes_of(&pickle), 1), NPV_OK);
    free(pickle.data);
    free(opcodes.data);
    opcodes = long_integer(NPV_MAX_INTEGER_BYTES + 1);
    assert_rows_refused(1, bytes_of(&opcodes), NPV_E_LIMIT, "LONG4: an integer may have a size of 1024");
    free(opcodes.data);
    /* 2,466 digits of 9 are too many, and so are more: the largest of 1,024 bytes begins with 5. */
    static const size_t too_many[] = {3000, 2469, 2466};
    npv_buffer line = {NULL, 0, 0};
    for (size_t i = 0; i < COUNT(too_many); i++) {
        line.size = 0;
        npv_buffer_append(&line, "L", 1, NULL);
        for (size_t digit = 0; digit < too_many[i]; digit++)
            npv_buffer_append(&line, "9", 1, NULL);
        npv_buffer_append(&line, "L\n", 2, NULL);
        assert_rows_refused(1, bytes_of(&line), NPV_E_FORMAT,
                            "opcode LONG: its line is no integer, or one that is too");
    }
    line.data[1] = '4';
    pickle = array_of(1, bytes_of(&line));
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    assert_int_equal(npv_pickle_read(bytes_of(&pickle), 1, &documents, NULL), NPV_OK);
    npv_buffer json = {NULL, 0, 0};
    assert_int_equal(npv_fragment_to_json(npv_documents_get(&documents, 0), &json, NULL), NPV_OK);
    assert_int_equal(json.size, 2466);
    assert_memory_equal(json.data, line.data + 1, 2466);
    npv_documents_free(&documents);
    free(json.data);
    free(pickle.data);
    free(line.data);
}

static void test_text_of_every_opcode(void **state) {
    (void)state;
    assert_rows(4, BYTES("X\2\0\0\0\xc3\xa9\x8c\1a\x8d\1\0\0\0\0\0\0\0b\x8c\0"), "\"\xc3\xa9\"\n\"a\"\n\"b\"\n\"\"\n");
    assert_rows(2, BYTES("U\1aT\1\0\0\0b"), "\"a\"\n\"b\"\n");
    assert_rows_refused(1, BYTES("U\2\xc3\xa9"), NPV_E_FORMAT, "row 0: text is not valid UTF-8");
    assert_rows(3, BYTES("B\1\0\0\0aC\0\x8e\1\0\0\0\0\0\0\0\xff"),
                "{\"$bytes\": \"YQ==\"}\n{\"$bytes\": \"\"}\n{\"$bytes\": \"/w==\"}\n");
    assert_rows(1, BYTES("V\xe9\\u20ac\\U0001F600\\ud800\\x\\\\u\n"),
                "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\ud800\\\\x\\\\\\\\u\"\n");
    assert_rows_refused(1, BYTES("V\\u12\n"), NPV_E_FORMAT, "row 0: text is not valid");
    assert_rows_refused(1, BYTES("V\\U00110000\n"), NPV_E_FORMAT, "row 0: text is not valid");
    assert_rows_refused(1, BYTES("V\\uzzzz\n"), NPV_E_FORMAT, "row 0: text is not valid");
    assert_rows_refused(2, BYTES("N\x8c\1\xff"), NPV_E_FORMAT, "row 1: text is not valid UTF-8");
    assert_rows(1, BYTES("\x8c\3\xed\xbf\xbf"), "\"\\udfff\"\n");
}

static void test_bytes_of_old_protocols(void **state) {
    (void)state;
    assert_rows(2,
                BYTES("c_codecs\nencode\n(X\3\0\0\0\xc3\xbf"
                      "aX\6\0\0\0latin1tRc__builtin__\nbytes\n)R"),
                "{\"$bytes\": \"/2E=\"}\n{\"$bytes\": \"\"}\n");
    assert_rows_refused(1, BYTES("c_codecs\nencode\n(X\2\0\0\0\xc4\x80X\6\0\0\0latin1tR"), NPV_E_FORMAT, "not Latin-1");
    assert_rows_refused(1, BYTES("c_codecs\nencode\n(X\1\0\0\0aX\4\0\0\0zlibtR"), NPV_E_UNSUPPORTED,
                        "row 0: class _codecs.encode");
    assert_rows_refused(1, BYTES("c__builtin__\nbytes\n(K\5tR"), NPV_E_UNSUPPORTED, "row 0: class bytes is not data");
}

static void test_containers_of_every_opcode(void **state) {
    (void)state;
    assert_rows(4,
                BYTES("(K\1K\2l"
                      "(K\1K\2d"
                      "(K\1K\2t"
                      "(t"),
                "[1, 2]\n{\"1\": 2}\n[1, 2]\n[]\n");
    assert_rows(3, BYTES("K\1\x85K\1K\2\x86K\1K\2K\3\x87"), "[1]\n[1, 2]\n[1, 2, 3]\n");
    assert_rows(3,
                BYTES("]K\1aK\2a"
                      "}K\1K\2sK\3K\4s"
                      ")"),
                "[1, 2]\n{\"1\": 2, \"3\": 4}\n[]\n");
    assert_rows(2,
                BYTES("](K\1e(K\2K\3e(eK\4a"
                      "}(K\1K\2u(K\3K\4K\5K\6u"),
                "[1, 2, 3, 4]\n{\"1\": 2, \"3\": 4, \"5\": 6}\n");
    assert_rows_refused(1, BYTES("}(K\1u"), NPV_E_FORMAT, "SETITEMS: a key without a value");
    assert_rows_refused(1, BYTES("(K\1d"), NPV_E_FORMAT, "DICT: a key without a value");
    assert_rows_refused(1, BYTES("K\1(K\2e"), NPV_E_FORMAT, "APPENDS: the value that it adds to is of another kind");
    assert_rows_refused(1, BYTES("](K\1K\2u"), NPV_E_FORMAT, "SETITEMS: the value that it adds to");
    assert_rows_refused(1, BYTES("}K\1a"), NPV_E_FORMAT, "APPEND: the value that it adds to");
    assert_rows_refused(1, BYTES("](K\1a"), NPV_E_FORMAT, "APPEND: too few values");
    assert_rows_refused(1, BYTES("(\x85"), NPV_E_FORMAT, "TUPLE1: too few values");
}

/* Python remembers a container before it is filled: what is filled in later shows wherever it is mentioned. */
static void test_the_memo_shares_objects(void **state) {
    (void)state;
    assert_rows(3, BYTES("]p5\n(K\1e(K\2eg5\nh\5"), "[1, 2]\n[1, 2]\n[1, 2]\n");
    assert_rows(3, BYTES("]q\5h\5(K\1e]r\6\0\0\0j\6\0\0\0\x86"), "[1]\n[1]\n[[], []]\n");
    assert_rows(3, BYTES("K\7\x94]\x94h\0h\1\x86"), "7\n[]\n[7, []]\n");
    assert_rows(3, BYTES("K\7p1\nK\10p1\ng1\n"), "7\n8\n8\n");
    assert_rows_refused(1, BYTES("h\3"), NPV_E_FORMAT, "BINGET: nothing has that number");
    assert_rows_refused(1, BYTES("K\1q\7h\5"), NPV_E_FORMAT, "BINGET: nothing has that number");
    assert_rows_refused(1, BYTES("K\1r\xff\xff\xff\xff"), NPV_E_FORMAT,
                        "LONG_BINPUT: its number in the memo is larger");
    assert_rows_refused(1, BYTES("K\1p-1\n"), NPV_E_FORMAT, "PUT: its line is no number");
    assert_rows_refused(1, BYTES("K\1p9999999999999999999\n"), NPV_E_FORMAT, "PUT: its line is no number");
}

/* ----------------------------------------------------------------------------------------------- What is refused -- */

static void test_classes_are_refused_by_row_and_name(void **state) {
    (void)state;
    assert_rows_refused(3, BYTES("NNcposix\nsystem\n(X\7\0\0\0echo hitR"), NPV_E_UNSUPPORTED,
                        "row 2: class posix.system is not data");
    assert_rows_refused(2, BYTES("N\x8c\2os\x8c\6system\x93\x8c\4true\x85R"), NPV_E_UNSUPPORTED,
                        "row 1: class os.system is not data");
    assert_rows_refused(1, BYTES("}(X\4\0\0\0whencdatetime\ndatetime\nC\1x\x85Ru"), NPV_E_UNSUPPORTED,
                        "row 0: class datetime.datetime ");
    assert_rows_refused(2, BYTES("Nccollections\nOrderedDict\n)R(K\1K\2u"), NPV_E_UNSUPPORTED,
                        "row 1: class collections.OrderedDict ");
    assert_rows_refused(1, BYTES("c__main__\nPoint\n)\x81}(K\1K\2ub"), NPV_E_UNSUPPORTED,
                        "row 0: class __main__.Point ");
    assert_rows_refused(1, BYTES("c__main__\nPoint\n)}\x92"), NPV_E_UNSUPPORTED, "row 0: class __main__.Point ");
    assert_rows_refused(1, BYTES("cbuiltins\ncomplex\nK\1K\2\x86R"), NPV_E_UNSUPPORTED, "row 0: class complex ");
    assert_rows_refused(1, BYTES("]cbuiltins\nint\na"), NPV_E_UNSUPPORTED, "row 0: class int ");
    assert_rows_refused(2, BYTES("N\x8f(K\1\x90"), NPV_E_UNSUPPORTED, "row 1: class set ");
    assert_rows_refused(1, BYTES("(K\1\x91"), NPV_E_UNSUPPORTED, "row 0: class frozenset ");
    assert_rows_refused(1, BYTES("\x96\1\0\0\0\0\0\0\0x"), NPV_E_UNSUPPORTED, "row 0: class bytearray ");
    assert_rows_refused(1,
                        BYTES("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
                              "C\1b\x87R"),
                        NPV_E_UNSUPPORTED, "row 0: class numpy.ndarray ");
    assert_rows_refused(1, BYTES("cnumpy._core.numeric\n_frombuffer\n)R"), NPV_E_UNSUPPORTED,
                        "row 0: class numpy.ndarray ");
    assert_rows_refused(1,
                        BYTES("\x8c\3"
                              "a\nb\x8c\2\x1b[\x93)R"),
                        NPV_E_UNSUPPORTED, "row 0: class a?b.?[ is");
    assert_rows_refused(1, BYTES("cnumpy\nscalar\ncnumpy\ndtype\n\x8c\2i1\x89\x88\x87RC\1x\x86R"), NPV_E_UNSUPPORTED,
                        "row 0: class numpy.scalar ");
    assert_rows_refused(1, BYTES("K\1\x8c\1x\x93"), NPV_E_FORMAT, "STACK_GLOBAL: the name of a class is not text");
    assert_rows_refused(1, BYTES("\x8c\1xN\x93"), NPV_E_FORMAT, "STACK_GLOBAL: the name of a class is not text");
    assert_rows_refused(1, BYTES("cbuiltins\nbytes\nNR"), NPV_E_FORMAT,
                        "REDUCE: the arguments of a class are no tuple");
}

#define SCALAR(name, state, item) \
    "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n" name "\x89\x88\x87R" state item "\x86R"
#define PLAIN "(K\3\x8c\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
#define TIME(unit) "(K\4\x8c\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0}" unit "\x86tb"

static void test_numpy_scalars_that_are_no_data_are_refused(void **state) {
    (void)state;
    assert_rows(1, BYTES(SCALAR("\x8c\2i2", PLAIN, "C\2\1\0")), "1\n");
    assert_rows(1, BYTES(SCALAR("\x8c\3<i2", "", "C\2\1\0")), "1\n");
    assert_rows_refused(1, BYTES(SCALAR("\x8c\3c16", PLAIN, "C\0")), NPV_E_UNSUPPORTED,
                        "row 0: a NumPy scalar of type c16 ");
    const npv_bytes wrong_types[] = {
        BYTES(SCALAR("\x8c\3f16", PLAIN, "C\0")),
        BYTES(SCALAR("\x8c\2f1", PLAIN, "C\1x")),
        BYTES(SCALAR("\x8c\2i3", PLAIN, "C\3xxx")),
        BYTES(SCALAR("\x8c\2O8", PLAIN, "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\2V1", PLAIN, "C\1x")),
        BYTES(SCALAR("\x8c\2b8", PLAIN, "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\1i", PLAIN, "C\0")),
        BYTES(SCALAR("\x8c\0", PLAIN, "C\0")),
        BYTES(SCALAR("\x8c\3i2 ", PLAIN, "C\2xx")),
        BYTES(SCALAR("\x8c\3i02", PLAIN, "C\2xx")),
        BYTES(SCALAR("\x8c\x0bU9999999999", PLAIN, "C\0")),
        BYTES(SCALAR("\x8c\2i2", "", "C\2xx")),
        BYTES(SCALAR("\x8c\3<i2", PLAIN, "C\2xx")),
        BYTES(SCALAR("K\2", PLAIN, "C\2xx")),
        BYTES(SCALAR("\x8c\2i2", "(K\3\x8c\1>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb", "C\2xx")),
        BYTES(SCALAR("\x8c\2i2", "(tb", "C\2xx")),
        BYTES(SCALAR("\x8c\2M8", PLAIN, "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\2M8", TIME("(C\1qK\1K\1K\1t"), "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\2M8", TIME("(C\1sK\0K\1K\1t"), "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\2M8", TIME("(C\1sK\1K\2K\1t"), "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\2M8", TIME("(C\1sK\1K\1Nt"), "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\2M8", TIME("(NK\1K\1K\1t"), "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\x04<M8[", "", "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\x05<M8[]", "", "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\x06<M8[q]", "", "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\x05<M8[s", "", "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\x07<M8[0s]", "", "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\x07<M8[s]]", "", "C\x8xxxxxxxx")),
        BYTES(SCALAR("\x8c\x06<i2[s]", "", "C\2xx")),
    };
    for (size_t i = 0; i < COUNT(wrong_types); i++)
        assert_rows_refused(1, wrong_types[i], NPV_E_UNSUPPORTED, "row 0: a NumPy scalar of type ");
    assert_rows(2,
                BYTES(SCALAR("\x8c\2M8", TIME("(C\1sK\7K\1K\1t"), "C\x8\1\0\0\0\0\0\0\0")
                          SCALAR("\x8c\7<M8[7s]", "", "C\x8\1\0\0\0\0\0\0\0")),
                "\"1970-01-01T00:00:07\"\n\"1970-01-01T00:00:07\"\n");
    assert_rows_refused(1, BYTES(SCALAR("\x8c\2i2", PLAIN, "C\1x")), NPV_E_FORMAT,
                        "row 0: a NumPy scalar has another size");
    assert_rows_refused(1, BYTES(SCALAR("\x8c\2i2", PLAIN, "C\3xxx")), NPV_E_FORMAT,
                        "row 0: a NumPy scalar has another size");
    assert_rows_refused(1, BYTES(SCALAR("\x8c\2U1", PLAIN, "C\4\0\0\x11\0")), NPV_E_FORMAT,
                        "row 0: a NumPy string is not");
    assert_rows_refused(1, BYTES(SCALAR("\x8c\2U1", PLAIN, "C\4\0\0\0\1")), NPV_E_FORMAT,
                        "row 0: a NumPy string is not");
    assert_rows_refused(1, BYTES(SCALAR("\x8c\2i2", PLAIN, "N")), NPV_E_FORMAT, "row 0: a NumPy scalar has no bytes");
}

static void test_a_class_outside_the_rows_is_refused(void **state) {
    (void)state;
    npv_buffer pickle = array_of(1, BYTES("N"));
    npv_buffer hidden = {NULL, 0, 0};
    const size_t flag = pickle.size - 8; /* NEWFALSE before the list: in Fortran order or not */
    assert_int_equal(pickle.data[flag], 0x89);
    npv_buffer_append(&hidden, pickle.data, flag, NULL);
    npv_buffer_append(&hidden, "cos\nsystem\n)R", 13, NULL);
    npv_buffer_append(&hidden, pickle.data + flag + 1, pickle.size - flag - 1, NULL);
    npv_documents documents = NPV_DOCUMENTS_EMPTY;
    npv_error error;
    assert_int_equal(npv_pickle_read(bytes_of(&hidden), 1, &documents, &error), NPV_E_UNSUPPORTED);
    assert_non_null(strstr(error.message, "names class os.system"));
    assert_int_equal(documents.count, 0);
    pickle.data[flag] = 0x88; /* Fortran order is no matter */
    assert_int_equal(try_pickle(bytes_of(&pickle), 1), NPV_OK);
    free(hidden.data);
    free(pickle.data);
}

static void test_other_pickles_are_no_array(void **state) {
    (void)state;
    const npv_bytes others[] = {
        BYTES("N."),
        BYTES("]."),
        BYTES("}."),
        BYTES("K\1\x85."),
        BYTES("cnumpy\nndarray\n."),
        /* a shape of two dimensions, of another length; a list of another length; numbers */
        BYTES("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
              "C\1b\x87R."),
        BYTES("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
              "C\1b\x87R(K\1K\1K\1\x86"
              "cnumpy\ndtype\n\x8c\2O8\x89\x88\x87R\x89](Netb."),
        BYTES("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
              "C\1b\x87R(K\1K\2\x85"
              "cnumpy\ndtype\n\x8c\2O8\x89\x88\x87R\x89](Netb."),
        BYTES("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
              "C\1b\x87R(K\1K\1\x85"
              "cnumpy\ndtype\n\x8c\2O8\x89\x88\x87R\x89](NNetb."),
        BYTES("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85"
              "C\1b\x87R(K\1K\1\x85"
              "cnumpy\ndtype\n\x8c\2f8\x89\x88\x87R\x89](Netb."),
    };
    for (size_t i = 0; i < COUNT(others); i++)
        assert_int_equal(try_pickle(others[i], 1), NPV_E_FORMAT);
    assert_int_equal(try_pickle(MIXED[4], MIXED_ROWS + 1), NPV_E_FORMAT);
    assert_int_equal(try_pickle(MIXED[4], MIXED_ROWS - 1), NPV_E_FORMAT);
}

static void test_structures_that_contain_themselves_are_refused(void **state) {
    (void)state;
    assert_rows_refused(2, BYTES("N]\x94h\0a"), NPV_E_UNSUPPORTED, "row 1: a list, a tuple or a dict contains itself");
    assert_rows_refused(1, BYTES("}\x94K\1h\0s"), NPV_E_UNSUPPORTED,
                        "row 0: a list, a tuple or a dict contains itself");
    assert_rows_refused(1,
                        BYTES("]\x94h\0\x85"
                              "a"),
                        NPV_E_UNSUPPORTED, "row 0: a list, a tuple or a dict contains itself");
    assert_rows_refused(1,
                        BYTES("](K\1"
                              "0e"),
                        NPV_E_UNSUPPORTED, "opcode POP: a tuple that refers to itself");
}

static void test_equal_keys_are_refused(void **state) {
    (void)state;
    assert_rows_refused(1, BYTES("}(K\1NJ\1\0\0\0Nu"), NPV_E_FORMAT, "row 0: a dict has two equal keys");
    assert_rows_refused(1, BYTES("}(\x8c\1aN\x8c\1bNX\1\0\0\0aNu"), NPV_E_FORMAT, "row 0: a dict has two equal keys");
    assert_rows(1, BYTES("}(\x8c\1aN\x8c\1b}(\x8c\1aNuu"), "{\"a\": null, \"b\": {\"a\": null}}\n");
    for (size_t repeated = 0; repeated < 2; repeated++) { /* so many that they are sorted */
        npv_buffer opcodes = {NULL, 0, 0};
        npv_buffer_append(&opcodes, "}(", 2, NULL);
        for (unsigned char i = 0; i < 100; i++)
            npv_buffer_append(&opcodes, (unsigned char[]){'K', i == 99 && repeated ? 17 : i, 'N'}, 3, NULL);
        npv_buffer_append(&opcodes, "u", 1, NULL);
        npv_buffer pickle = array_of(1, bytes_of(&opcodes));
        assert_int_equal(try_pickle(bytes_of(&pickle), 1), repeated ? NPV_E_FORMAT : NPV_OK);
        free(pickle.data);
        free(opcodes.data);
    }
    assert_rows_refused(1, BYTES("}(K\1\x85Nu"), NPV_E_UNSUPPORTED, "row 0: a key of a dict is a tuple");
    assert_rows_refused(1, BYTES("}(]Nu"), NPV_E_FORMAT, "row 0: a key of a dict is a list");
}

static void test_protocols_and_frames(void **state) {
    (void)state;
    assert_int_equal(try_pickle(BYTES("\x80\6N."), 1), NPV_E_UNSUPPORTED);
    assert_int_equal(try_pickle(BYTES("\x80"), 1), NPV_E_FORMAT);
    assert_rows(1, BYTES("\x95\2\0\0\0\0\0\0\0N"), "-\n");
    assert_rows_refused(1, BYTES("\x95\xff\0\0\0\0\0\0\0N"), NPV_E_FORMAT, "FRAME: the pickle ends inside");
    assert_rows_refused(1, BYTES("N."), NPV_E_FORMAT, "STOP: "); /* with values left on the stack */
    unsigned char after_a_value[sizeof MIXED_3] = {'N'};
    memcpy(after_a_value + 1, MIXED_3, sizeof MIXED_3 - 1);
    assert_int_equal(try_pickle((npv_bytes){after_a_value, sizeof after_a_value}, MIXED_ROWS), NPV_E_FORMAT);
    const npv_bytes with_its_zero = {(const unsigned char *)MIXED_4, sizeof MIXED_4};
    assert_int_equal(try_pickle(with_its_zero, MIXED_ROWS), NPV_E_FORMAT);
    assert_int_equal(try_pickle(BYTES("."), 1), NPV_E_FORMAT);
    assert_int_equal(try_pickle(BYTES("(."), 1), NPV_E_FORMAT);
    assert_int_equal(try_pickle(BYTES("NN."), 1), NPV_E_FORMAT);
    assert_int_equal(try_pickle(BYTES(""), 1), NPV_E_FORMAT);
}

/* -------------------------------------------------------------------------------------------------------- Limits -- */

static void test_documents_may_be_nested_128_deep(void **state) {
    (void)state;
    static const size_t too_deep[] = {NPV_MAX_DOCUMENT_DEPTH + 1, 1000000};
    npv_buffer opcodes = {NULL, 0, 0};
    for (size_t i = 0; i < NPV_MAX_DOCUMENT_DEPTH; i++)
        npv_buffer_append(&opcodes, "](", 2, NULL);
    for (size_t i = 0; i < NPV_MAX_DOCUMENT_DEPTH; i++)
        npv_buffer_append(&opcodes, "e", 1, NULL);
    npv_buffer pickle = array_of(1, bytes_of(&opcodes));
    assert_int_equal(try_pickle(bytes_of(&pickle), 1), NPV_OK);
    free(pickle.data);
    free(opcodes.data);
    for (size_t i = 0; i < COUNT(too_deep); i++) {
        opcodes = (npv_buffer){NULL, 0, 0};
        npv_buffer_append(&opcodes, ")", 1, NULL);
        for (size_t depth = 1; depth < too_deep[i]; depth++)
            npv_buffer_append(&opcodes, "\x85", 1, NULL);
        assert_rows_refused(1, bytes_of(&opcodes), NPV_E_LIMIT, "row 0: lists and dicts may be nested 128 deep");
        free(opcodes.data);
    }
}

/* Ten times ten times ... the same list: 10^40 items if anybody wrote them down. */
static void test_a_bomb_of_shared_objects_is_refused(void **state) {
    (void)state;
    npv_buffer opcodes = {NULL, 0, 0};
    npv_buffer_append(&opcodes, "(\x8c\3lol\x94", 7, NULL);
    for (unsigned char i = 0; i < 40; i++) {
        npv_buffer_append(&opcodes, "(", 1, NULL);
        for (int times = 0; times < 10; times++)
            npv_buffer_append(&opcodes, (unsigned char[]){'h', i}, 2, NULL);
        npv_buffer_append(&opcodes, "l\x94", 2, NULL);
    }
    npv_buffer_append(&opcodes, "l", 1, NULL);
    assert_rows_refused(1, bytes_of(&opcodes), NPV_E_LIMIT, "the most for a pickle of this size");
    for (int i = 0; i < 200000; i++) /* in a large one it is the document that is too large */
        npv_buffer_append(&opcodes, "N", 1, NULL);
    assert_rows_refused(200001, bytes_of(&opcodes), NPV_E_LIMIT,
                        "row 0: a document may take 16777216 bytes, found more");
    free(opcodes.data);
}

/* `rows` rows that all are one text of `size` bytes. */
static npv_buffer shared_text(size_t rows, size_t size) {
    npv_buffer opcodes = {NULL, 0, 0};
    const unsigned char head[] = {'X', (unsigned char)size, (unsigned char)(size >> 8), (unsigned char)(size >> 16), 0};
    npv_buffer_append(&opcodes, head, sizeof head, NULL);
    for (size_t i = 0; i < size; i++)
        npv_buffer_append(&opcodes, "x", 1, NULL);
    npv_buffer_append(&opcodes, "\x94", 1, NULL);
    for (size_t row = 1; row < rows; row++)
        npv_buffer_append(&opcodes, "h\0", 2, NULL);
    return opcodes;
}

static void test_rows_may_share_a_long_text(void **state) {
    (void)state;
    npv_buffer opcodes = shared_text(5000, 10000);
    npv_buffer pickle = array_of(5000, bytes_of(&opcodes));
    assert_int_equal(try_pickle(bytes_of(&pickle), 5000), NPV_OK);
    free(pickle.data);
    free(opcodes.data);
}

static void test_many_rows_that_share_a_very_long_text_are_refused(void **state) {
    (void)state;
    npv_buffer opcodes = shared_text(20000, 1000000);
    assert_rows_refused(20000, bytes_of(&opcodes), NPV_E_LIMIT,
                        "each with its own copy of what they share, would take more than 40");
    free(opcodes.data);
}

static void test_a_row_may_take_16_megabytes(void **state) {
    (void)state;
    npv_buffer opcodes = shared_text(1, NPV_MAX_DOCUMENT_BYTES - 5);
    npv_buffer pickle = array_of(1, bytes_of(&opcodes));
    assert_int_equal(try_pickle(bytes_of(&pickle), 1), NPV_OK);
    free(pickle.data);
    free(opcodes.data);
    opcodes = shared_text(1, NPV_MAX_DOCUMENT_BYTES - 4);
    assert_rows_refused(1, bytes_of(&opcodes), NPV_E_LIMIT, "row 0: a document may take 16777216 bytes");
    free(opcodes.data);
}

static void test_sizes_larger_than_the_pickle_take_no_memory(void **state) {
    (void)state;
    const npv_bytes opcodes[] = {BYTES("X\xff\xff\xff\xff"),
                                 BYTES("B\xff\xff\xff\x7f"),
                                 BYTES("T\xff\xff\xff\xff"),
                                 BYTES("\x8b\xff\xff\xff\x7f"),
                                 BYTES("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"),
                                 BYTES("\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"),
                                 BYTES("\x96\0\0\0\0\0\0\0\x80"),
                                 BYTES("\x95\xff\xff\xff\xff\xff\xff\xff\xff"),
                                 BYTES("\x8c\xff"),
                                 BYTES("C\xff"),
                                 BYTES("U\xff"),
                                 BYTES("\x8a\xff"),
                                 BYTES("Vx"),
                                 BYTES("cx\ny"),
                                 BYTES("I1"),
                                 BYTES("p1")};
    for (size_t i = 0; i < COUNT(opcodes); i++)
        assert_rows_refused(1, opcodes[i], NPV_E_FORMAT, ": the pickle ends inside its data");
}

/* ----------------------------------------------------------------------------------------------------- Mutations -- */

static void test_every_prefix_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(MIXED); i++)
        for (size_t size = 0; size < MIXED[i].size; size++)
            assert_int_equal(try_pickle((npv_bytes){MIXED[i].data, size}, MIXED_ROWS), NPV_E_FORMAT);
}

static void test_every_bit_may_be_wrong(void **state) {
    (void)state;
    const struct {
        npv_bytes pickle;
        uint64_t rows;
    } cases[] = {{BYTES(MIXED_0), MIXED_ROWS},
                 {BYTES(MIXED_2), MIXED_ROWS},
                 {BYTES(MIXED_4), MIXED_ROWS},
                 {BYTES(SCALARS_NUMPY1_2), 10},
                 {BYTES(SCALARS_NUMPY2_4), 10}};
    static const unsigned char flips[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const npv_bytes whole = cases[i].pickle;
        unsigned char *const copy = malloc(whole.size);
        memcpy(copy, whole.data, whole.size);
        for (size_t at = 0; at < whole.size; at++) {
            for (size_t flip = 0; flip < COUNT(flips); flip++) {
                copy[at] = whole.data[at] ^ flips[flip];
                try_pickle((npv_bytes){copy, whole.size}, cases[i].rows);
            }
            copy[at] = whole.data[at];
        }
        free(copy);
    }
}

static void test_every_opcode_may_stand_anywhere(void **state) {
    (void)state;
    unsigned char longer[sizeof MIXED_4];
    for (size_t at = 0; at < sizeof MIXED_4; at++) {
        memcpy(longer, MIXED_4, at);
        memcpy(longer + at + 1, MIXED_4 + at, sizeof MIXED_4 - 1 - at);
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            longer[at] = (unsigned char)opcode;
            try_pickle((npv_bytes){longer, sizeof longer}, MIXED_ROWS);
        }
    }
}

/* Alone, and where it finds values of every kind on the stack. */
static void test_every_opcode_finds_too_little(void **state) {
    (void)state;
    const npv_bytes before[] = {BYTES(""),
                                BYTES("("),
                                BYTES("N("),
                                BYTES("]N"),
                                BYTES("}NN"),
                                BYTES("](NN"),
                                BYTES("cnumpy\ndtype\n)"),
                                BYTES("cx\ny\n)R("),
                                BYTES("NNN(NN")};
    for (size_t i = 0; i < COUNT(before); i++)
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            unsigned char pickle[64] = {0};
            memcpy(pickle, before[i].data, before[i].size);
            pickle[before[i].size] = (unsigned char)opcode;
            assert_int_not_equal(try_pickle((npv_bytes){pickle, before[i].size + 1}, 1), NPV_OK);
            assert_int_not_equal(try_pickle((npv_bytes){pickle, before[i].size + 20}, 1), NPV_OK);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_protocol_is_read_alike),
        cmocka_unit_test(test_numpy_scalars_of_both_numpys_are_read_alike),
        cmocka_unit_test(test_what_is_written_is_what_python_loads),
        cmocka_unit_test(test_what_is_written_is_read_back),
        cmocka_unit_test(test_no_rows_are_an_array_too),
        cmocka_unit_test(test_integers_of_every_opcode),
        cmocka_unit_test(test_integers_have_a_largest_size),
        cmocka_unit_test(test_text_of_every_opcode),
        cmocka_unit_test(test_bytes_of_old_protocols),
        cmocka_unit_test(test_containers_of_every_opcode),
        cmocka_unit_test(test_the_memo_shares_objects),
        cmocka_unit_test(test_classes_are_refused_by_row_and_name),
        cmocka_unit_test(test_numpy_scalars_that_are_no_data_are_refused),
        cmocka_unit_test(test_a_class_outside_the_rows_is_refused),
        cmocka_unit_test(test_other_pickles_are_no_array),
        cmocka_unit_test(test_structures_that_contain_themselves_are_refused),
        cmocka_unit_test(test_equal_keys_are_refused),
        cmocka_unit_test(test_protocols_and_frames),
        cmocka_unit_test(test_documents_may_be_nested_128_deep),
        cmocka_unit_test(test_a_bomb_of_shared_objects_is_refused),
        cmocka_unit_test(test_rows_may_share_a_long_text),
        cmocka_unit_test(test_many_rows_that_share_a_very_long_text_are_refused),
        cmocka_unit_test(test_a_row_may_take_16_megabytes),
        cmocka_unit_test(test_sizes_larger_than_the_pickle_take_no_memory),
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_every_bit_may_be_wrong),
        cmocka_unit_test(test_every_opcode_may_stand_anywhere),
        cmocka_unit_test(test_every_opcode_finds_too_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
