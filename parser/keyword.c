/* SPDX-License-Identifier: Apache-2.0
 *
 * keyword.c: the words that the grammar knows, sorted, with what is known about each as a name.
 *
 * Most of them are names wherever the grammar has no use for them as keywords (parser.c). RESERVED ones are not: they carry the structure
 * of a query, and reading one as a name would only move an error to where nobody looks for it. QUOTE says that sq_unparse_ident
 * puts back-quotes around a name so spelled, because in some place where names are printed it would read back as the keyword.
 */
#include "parser/internal.h"
#include "parser/grammar.h"

enum { R = SQ_KW_RESERVED, Q = SQ_KW_QUOTE, C = SQ_KW_CLAUSE };
#define W(word, flags) {{#word, sizeof #word - 1}, SQ_TK_##word, flags}

static const struct sq_keyword keywords[] = {
    W(ADD, 0), W(AFTER, 0), W(ALL, R), W(ALTER, R), W(AND, R), W(ANTI, 0), W(ANY, 0), W(ARRAY, Q), W(AS, R), W(ASC, 0), W(ASYMMETRIC, 0), W(AT, 0),
    W(BEGIN, 0), W(BETWEEN, R), W(BOTH, Q), W(BY, R), W(CASCADE, 0), W(CASE, R), W(CAST, R), W(CATALOG, 0), W(COMMENT, 0), W(CONSTRAINT, Q),
    W(CREATE, R), W(CROSS, R), W(CUBE, 0), W(CURRENT, 0), W(DATABASE, 0), W(DATE, 0), W(DESC, 0), W(DESCRIBE, 0), W(DESCRIPTOR, 0), W(DISTINCT, R),
    W(DISTRIBUTED, 0), W(DRAIN, 0), W(DROP, R), W(ELSE, R), W(END, 0), W(ENFORCED, 0), W(ESCAPE, 0), W(EXCEPT, R), W(EXECUTE, 0), W(EXISTS, R), W(EXPLAIN, 0),
    W(EXTENDED, 0), W(FALSE, R), W(FETCH, C), W(FILTER, 0), W(FIRST, 0), W(FOLLOWING, 0), W(FOR, C), W(FROM, R), W(FULL, C), W(FUNCTION, 0),
    W(GROUP, R), W(GROUPING, 0), W(HAVING, R), W(IF, 0), W(IGNORE, 0), W(IN, R), W(INNER, R), W(INSERT, R), W(INTERSECT, R), W(INTERVAL, Q),
    W(INTO, R), W(IS, R), W(JAR, 0), W(JOB, 0), W(JOIN, R), W(JSON, 0), W(KEY, 0), W(LANGUAGE, 0), W(LAST, 0), W(LATERAL, R), W(LEADING, Q), W(LEFT, C),
    W(LIKE, R), W(LIMIT, C), W(LOCAL, 0), W(MAP, Q), W(MATCH_RECOGNIZE, Q), W(METADATA, 0), W(MODIFY, 0), W(MULTISET, 0), W(NATURAL, R), W(NEXT, 0),
    W(NOT, R), W(NULL, R), W(NULLS, 0), W(OBJECT, 0), W(OF, 0), W(OFFSET, C), W(ON, R), W(ONLY, 0), W(OR, R), W(ORDER, R), W(ORDINALITY, 0), W(OUTER, 0),
    W(OVER, 0), W(OVERWRITE, 0), W(PARTITION, 0), W(PARTITIONED, 0), W(PLACING, 0), W(PLAN, 0), W(POSITION, 0), W(PRECEDING, 0), W(PRECISION, 0),
    W(PRIMARY, 0), W(QUALIFY, C), W(RANGE, 0), W(RENAME, 0), W(REPLACE, 0), W(RESET, 0), W(RESPECT, 0), W(RESTRICT, 0), W(RIGHT, C), W(ROLLUP, 0),
    W(ROW, 0), W(ROWS, 0), W(SAVEPOINT, 0), W(SCALAR, 0), W(SELECT, R), W(SEMI, 0), W(SET, 0), W(SETS, 0), W(SHOW, 0), W(SIMILAR, 0), W(SOME, 0), W(STATEMENT, 0),
    W(STOP, 0),    W(SYMMETRIC, 0), W(SYSTEM, 0), W(SYSTEM_TIME, 0), W(TABLE, R), W(TEMPORARY, 0), W(THEN, R), W(TIME, 0), W(TIMESTAMP, 0), W(TO, Q), W(TRAILING, Q),
    W(TRUE, R), W(TRY_CAST, R), W(UNBOUNDED, Q), W(UNION, R), W(UNIQUE, 0), W(UNKNOWN, 0), W(UNNEST, R), W(USE, 0), W(USING, R), W(VALUE, 0),
    W(VALUES, R), W(VARYING, 0), W(VIEW, 0), W(VIRTUAL, 0), W(WATERMARK, 0), W(WHEN, R), W(WHERE, R), W(WINDOW, 0), W(WITH, R), W(WITHIN, 0),
    W(WITHOUT, 0), W(ZONE, 0),
};

const struct sq_keyword *sq_keyword_find(struct sq_str s)
{
    char upper[24];
    size_t lo = 0, hi = SQ_LEN(keywords);

    if (s.n >= sizeof upper)
        return NULL;
    for (uint32_t i = 0; i < s.n; i++)
        upper[i] = (char)(s.p[i] >= 'a' && s.p[i] <= 'z' ? s.p[i] - 'a' + 'A' : s.p[i]);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = sq_str_cmp((struct sq_str){upper, s.n}, keywords[mid].word);

        if (c == 0)
            return &keywords[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct sq_keyword *sq_keyword_of_code(int code)
{
    for (size_t i = 0; i < SQ_LEN(keywords); i++)
        if (keywords[i].code == code)
            return &keywords[i];
    return NULL;
}

/* Words that are known but no keywords of the grammar (types, units, common functions), for completion. */
static const struct sq_str known[] = {
#define K(word) {#word, sizeof #word - 1}
    K(ADD), K(ALL), K(ALTER), K(AND), K(ANY), K(ARRAY), K(AS), K(ASC), K(AVG), K(BEGIN), K(BETWEEN), K(BIGINT), K(BINARY), K(BOOLEAN), K(BY), K(BYTES),
    K(CASE), K(CAST), K(CATALOG), K(CATALOGS), K(CHAR), K(COALESCE), K(COLUMNS), K(COMMENT), K(CONSTRAINT), K(COUNT), K(CREATE), K(CROSS), K(CUBE),
    K(CUMULATE), K(CURRENT), K(CURRENT_DATE), K(CURRENT_TIME), K(CURRENT_TIMESTAMP), K(DATABASE), K(DATABASES), K(DATE), K(DAY), K(DECIMAL), K(DESC),
    K(DESCRIBE), K(DESCRIPTOR), K(DISTINCT), K(DOUBLE), K(DRAIN), K(DROP), K(ELSE), K(END), K(ENFORCED), K(ESCAPE), K(EXCEPT), K(EXECUTE), K(EXISTS), K(EXPLAIN),
    K(EXTRACT), K(FALSE), K(FETCH), K(FILTER), K(FIRST), K(FLOAT), K(FOR), K(FROM), K(FULL), K(FUNCTION), K(FUNCTIONS), K(GROUP), K(GROUPING),
    K(HAVING), K(HOP), K(HOUR), K(IF), K(IN), K(INCLUDING), K(INNER), K(INSERT), K(INT), K(INTEGER), K(INTERSECT), K(INTERVAL), K(INTO), K(IS), K(JOB), K(JOBS), K(JOIN), K(JSON),
    K(KEY), K(LAST), K(LATERAL), K(LEFT), K(LIKE), K(LIMIT), K(LOCALTIME), K(LOCALTIMESTAMP), K(MAP), K(MATCH_RECOGNIZE), K(MAX), K(METADATA), K(MIN),
    K(MINUTE), K(MODIFY), K(MONTH), K(MULTISET), K(NATURAL), K(NEXT), K(NOT), K(NULL), K(NULLS), K(OF), K(OFFSET), K(ON), K(ONLY), K(OPTIONS), K(OR),
    K(ORDER), K(ORDINALITY), K(OUTER), K(OVER), K(OVERWRITE), K(PARTITION), K(PARTITIONED), K(PLAN), K(PRIMARY), K(PROCTIME), K(QUALIFY), K(RANGE),
    K(RENAME), K(RESET), K(RIGHT), K(ROLLUP), K(ROW), K(ROWS), K(ROW_NUMBER), K(SECOND), K(SELECT), K(SESSION), K(SET), K(SETS), K(SHOW), K(SIMILAR),
    K(SMALLINT), K(SOME), K(STATEMENT), K(STOP), K(STRING), K(SUM), K(SYSTEM_TIME), K(TABLE), K(TABLES), K(TEMPORARY), K(THEN), K(TIME), K(TIMESTAMP),
    K(TIMESTAMP_LTZ), K(TINYINT), K(TO), K(TRUE), K(TRY_CAST), K(TUMBLE), K(UNION), K(UNKNOWN), K(UNNEST), K(USE), K(USING), K(VALUES),
    K(VARBINARY), K(VARCHAR), K(VIEW), K(VIEWS), K(VIRTUAL), K(WATERMARK), K(WHEN), K(WHERE), K(WINDOW), K(WITH), K(WITHIN), K(YEAR), K(ZONE),
#undef K
};

size_t sq_keywords(const struct sq_str **words)
{
    *words = known;
    return SQ_LEN(known);
}
