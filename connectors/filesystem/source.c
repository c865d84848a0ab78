/* SPDX-License-Identifier: Apache-2.0
 *
 * source.c: reads files of one record a line, or of records as the format cuts them (a quoted field may hold newlines).
 *
 * A block of the file is read into a buffer (pread, not mmap: files may change under us), cut into lines with one pass over
 * its bytes, and a batch's worth of lines is handed to the format's decoder as slices of the buffer. Long strings of the
 * batch may point into the buffer, so it is refilled only at the next poll: what is left (the lines that did not make a
 * whole batch, and the part of a line behind them) is moved to its beginning first. So batches are cut by count alone, or
 * by the buffer's size where lines are long.
 *
 * A split owns the lines that begin in [start, end): one that does not start at 0 looks at the byte before its start and
 * skips to the first line that begins in it; the last line is read beyond `end`. So every line belongs to exactly one
 * split, wherever the file is cut.
 *
 * Records that the format cuts are found by reading from the file's beginning: there is one split of such a file.
 *
 * Position: the offset of the next record and how many rows of it were handed on already (a record may be an array).
 * The line of a record is counted only when an error names it.
 *
 * Where a directory is watched, and with 'available-now', a split is a whole file, named by its path (sq_fs_whole). The file may have grown when a later
 * run goes on: it is read from where it was to where it ends now. With 'available-now' a last line without an end is left for the next run. The position
 * then also has a mark, a hash of the bytes before it, so a file that was replaced is not taken for one that has grown.
 */
#include "connectors/filesystem/partition.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { PAD = 64, RAW_SHOWN = 4096, OVERREAD = 4096, MARK_BYTES = 256, POSITION = 12, WHOLE_POSITION = 24, WATCH_US = 1000 * 1000 };
enum { READ_TO_END = 1 };              /* flags of a position */
#define UNREAD UINT32_MAX              /* a position's rows: the split was not begun, its start may be inside a line */

struct split {
    struct sq_fs_range range;
    struct sq_str id, payload;
    int64_t pos;                   /* of the next record */
    uint32_t pos_rows;             /* rows of that record that were handed on */
    uint64_t done;                 /* records (lines) before `pos` since it was opened */
    int64_t first;                 /* where the first of them began; -1: not opened yet */
    int64_t base_line;             /* lines of the file before `first`; -1: not counted */
    int64_t inner;                 /* newlines within the records that were done */
    bool resumed;

    bool whole;                    /* a file, not a range of one */
    bool gone;                     /* it was read to its end, and is not there any more */
    uint32_t flags;
    uint64_t mark;                 /* of the bytes before pos, where it was last asked for */
};

struct reader {
    struct sq_ctx *ctx;
    const struct sq_scan_spec *spec;
    const struct sq_fs_table *table;
    struct sq_decoder *decoder;
    struct sq_out out;
    uint32_t batch_rows;

    /* metadata and partition columns: constants of the current split */
    uint32_t nmeta;
    uint32_t *from_out;            /* per wanted column: its column in out, or UINT32_MAX */
    struct sq_vec *vecs;
    struct sq_arena meta;
    struct sq_batch batch;

    struct split *splits;
    size_t nsplits, cap_splits;
    uint32_t cur;

    int fd;                        /* -1: no split is open */
    char *buf;                     /* cap + PAD bytes */
    size_t cap, len;
    int64_t buf_at;                /* file offset of buf[0] */
    size_t line;                   /* where the next line begins; what is before it is in rec or done with */
    size_t searched;               /* no newline in [line, searched) */
    bool eof, skipping;            /* skipping: drop all up to and with the next newline */
    bool skipped_is_record;        /* … which is the rest of a line that is too long */
    sq_frame_fn *frame;            /* NULL: lines are records */
    unsigned frame_state;
    bool multi;                    /* some record of rec has a newline inside */

    struct sq_slice *rec;          /* batch_rows of them */
    uint32_t nrec, at;             /* rec[at..nrec) are still to be decoded */
    uint32_t *row_record;
    bool dry;                      /* said that there are no more splits, since the last was added */
    int64_t looked_ns;             /* when new files were last looked for */
    uint32_t drop;                 /* rows of the first record that the restored position has seen */

    struct sq_source_stats stats;
};

/* ---- opening ---- */

static sq_rc fs_info(struct sq_ctx *ctx, const struct sq_table_spec *t, const struct sq_table_ext *ext, struct sq_source_info *info)
{
    const struct sq_fs_table *fs = sq_fs_table_of(ext);
    const struct sq_format *f = fs->format.format;
    if (!f->decodes)
        return sq_fail_at(ctx, SQ_SEMANTIC, t->span, "format '%s' cannot be read", f->name);
    SQ_TRY(sq_fs_check_format(ctx, t, fs, false));
    *info = (struct sq_source_info){.bounded = fs->options.monitor_ms <= 0, .rows = -1};
    info->mode = f->decodes & SQ_MODE_RETRACT ? SQ_MODE_RETRACT : f->decodes & SQ_MODE_UPSERT ? SQ_MODE_UPSERT : SQ_MODE_INSERT;
    info->one_by_one = true;
    info->ordered = info->mode != SQ_MODE_INSERT;       /* changes of a row may be anywhere behind it, in the next file too */
    return SQ_OK;
}

static int meta_of(struct sq_str key)
{
    for (int i = 0; i < SQ_FS_NMETA; i++)
        if (sq_str_is(key, sq_fs_metadata[i].key))
            return i;
    return -1;
}

static sq_rc check_meta(struct sq_ctx *ctx, const struct sq_table_column *c)
{
    int m = meta_of(c->metadata_key);
    if (m < 0) {
        struct sq_str keys[SQ_FS_NMETA];
        for (int i = 0; i < SQ_FS_NMETA; i++)
            keys[i] = sq_str_of(sq_fs_metadata[i].key);
        struct sq_str near = sq_nearest(c->metadata_key, keys, SQ_FS_NMETA);
        sq_fail(ctx, SQ_SEMANTIC, "column '%.*s': connector 'filesystem' has no metadata '%.*s'", SQ_FMT(c->name), SQ_FMT(c->metadata_key));
        return near.n ? sq_hint(ctx, "did you mean '%.*s'?", SQ_FMT(near)) : SQ_SEMANTIC;
    }
    bool fits = m == SQ_FS_SIZE ? c->type->id == SQ_T_BIGINT : m == SQ_FS_MTIME ? c->type->id == SQ_T_TIMESTAMP_LTZ : c->type->id == SQ_T_VARCHAR;
    if (fits)
        return SQ_OK;
    return sq_fail(ctx, SQ_SEMANTIC, "column '%.*s': the metadata '%s' is %s", SQ_FMT(c->name), sq_fs_metadata[m].key,
                   m == SQ_FS_SIZE ? "BIGINT" : m == SQ_FS_MTIME ? "TIMESTAMP_LTZ(3)" : "STRING");
}

static bool in_files(const struct sq_table_spec *t, uint32_t col) { return t->cols[col].role == SQ_COL_PHYSICAL && !sq_fs_is_partition_column(t, col); }

static sq_rc open_columns(struct reader *r)
{
    const struct sq_scan_spec *s = r->spec;
    struct sq_ctx *ctx = r->ctx;
    sq_rc rc = SQ_OK;
    uint32_t n = 0, nfields = 0;
    const struct sq_type **types = sq_calloc(ctx, (s->ncols + 1) * sizeof *types);
    struct sq_table_column *wanted = sq_calloc(ctx, (s->ncols + 1) * sizeof *wanted);
    r->from_out = sq_calloc(ctx, (s->ncols + 1) * sizeof *r->from_out);
    r->vecs = sq_calloc(ctx, (s->ncols + 1) * sizeof *r->vecs);
    if (!types || !wanted || !r->from_out || !r->vecs)
        rc = SQ_NOMEM;
    for (uint32_t i = 0; i < s->table->ncols; i++)
        nfields += in_files(s->table, i);
    for (uint32_t i = 0; rc == SQ_OK && i < s->ncols; i++) {
        const struct sq_table_column *c = &s->table->cols[s->cols[i]];
        r->from_out[i] = UINT32_MAX;
        if (!in_files(s->table, s->cols[i])) {
            rc = c->role == SQ_COL_METADATA ? check_meta(ctx, c) : SQ_OK;
            r->nmeta++;
            continue;
        }
        r->from_out[i] = n;
        types[n] = c->type;
        wanted[n] = *c;
        wanted[n].nfields = nfields;
        for (uint32_t k = 0; k < s->cols[i]; k++)
            wanted[n].ordinal += in_files(s->table, k);
        n++;
    }
    if (rc == SQ_OK)
        rc = sq_out_init(&r->out, ctx, types, n);
    if (rc == SQ_OK)
        rc = r->table->format.format->decoder_open(ctx, r->table->format.options, s->session, wanted, n, &r->decoder);
    sq_free(ctx, types);
    sq_free(ctx, wanted);
    return rc;
}

static void fs_close(struct sq_reader *self)
{
    struct reader *r = (struct reader *)(void *)self;
    if (!r)
        return;
    struct sq_ctx *ctx = r->ctx;
    if (r->fd >= 0)
        ctx->os->close(ctx->os->arg, r->fd);
    if (r->decoder)
        r->table->format.format->decoder_close(r->decoder);
    if (r->out.ctx)
        sq_out_free(&r->out);
    for (size_t i = 0; i < r->nsplits; i++) {
        sq_free(ctx, (void *)r->splits[i].id.p);
        sq_free(ctx, (void *)r->splits[i].payload.p);
    }
    sq_arena_free(&r->meta);
    sq_free(ctx, r->splits);
    sq_free(ctx, r->from_out);
    sq_free(ctx, r->vecs);
    sq_free(ctx, r->buf);
    sq_free(ctx, r->rec);
    sq_free(ctx, r->row_record);
    sq_free(ctx, r);
}

static sq_rc fs_open(struct sq_ctx *ctx, const struct sq_scan_spec *spec, struct sq_reader **out)
{
    struct reader *r = sq_calloc(ctx, sizeof *r);
    if (!r)
        return SQ_NOMEM;
    r->ctx = ctx;
    r->spec = spec;
    r->table = sq_fs_table_of(spec->ext);
    r->fd = -1;
    r->looked_ns = ctx->os->mono_ns(ctx->os->arg);
    r->batch_rows = spec->batch_rows && spec->batch_rows <= SQ_BATCH_ROWS ? spec->batch_rows : SQ_BATCH_ROWS;
    r->cap = r->table->block;
    const struct sq_table_format *f = &r->table->format;
    r->frame = f->format->framer ? f->format->framer(f->options) : NULL;
    sq_arena_init(&r->meta, ctx);
    r->buf = sq_calloc(ctx, r->cap + PAD);
    r->rec = sq_calloc(ctx, r->batch_rows * sizeof *r->rec);
    r->row_record = sq_calloc(ctx, (r->batch_rows + 1) * sizeof *r->row_record);
    sq_rc rc = r->buf && r->rec && r->row_record ? open_columns(r) : SQ_NOMEM;
    if (rc != SQ_OK) {
        fs_close((struct sq_reader *)(void *)r);
        return rc;
    }
    *out = (struct sq_reader *)(void *)r;
    return SQ_OK;
}

static sq_rc io_error(struct reader *r, const char *what, const char *path, int err)
{
    char why[128];
    return sq_fail(r->ctx, SQ_IO, "cannot %s '%s': %s", what, path, sq_os_strerror(err, why, sizeof why));
}

static bool read_position(struct split *s, struct sq_str position)
{
    uint64_t at;
    if (position.n != (s->whole ? WHOLE_POSITION : POSITION))
        return false;
    memcpy(&at, position.p, 8);
    memcpy(&s->pos_rows, position.p + 8, 4);
    s->pos = (int64_t)at;
    if (s->whole) {
        memcpy(&s->flags, position.p + 12, 4);
        memcpy(&s->mark, position.p + 16, 8);
    }
    if (s->pos_rows == UNREAD)
        s->pos_rows = 0;
    else
        s->resumed = true;
    return s->pos >= s->range.start;
}

static sq_rc other_file(struct reader *r, const struct split *s, const char *what)
{
    sq_fail(r->ctx, SQ_IO, "'%s' %s since byte %lld of it was reached", s->range.path, what, (long long)s->pos);
    return sq_hint(r->ctx, "files that are read on from a checkpoint may only grow; another 'pipeline.name' or directory of checkpoints begins anew");
}

/* The file ends where it ends now. */
static sq_rc look_again(struct reader *r, struct split *s)
{
    struct stat st;
    int e = r->ctx->os->stat(r->ctx->os->arg, s->range.path, &st);
    s->gone = e == -ENOENT && s->resumed && s->flags & READ_TO_END;
    if (s->gone) {
        s->range.end = s->pos;
        return SQ_OK;
    }
    if (e < 0)
        return io_error(r, "read", s->range.path, e);
    if (st.st_size < s->pos)
        return other_file(r, s, "has shrunk");
    s->range.end = s->range.size = st.st_size;
    s->range.mtime_us = (int64_t)st.st_mtim.tv_sec * SQ_US_PER_S + st.st_mtim.tv_nsec / 1000;
    return SQ_OK;
}

static sq_rc begin_split(struct reader *r, struct split *s, const struct sq_split *in, struct sq_str position)
{
    if (!s->id.p || !s->payload.p)
        return SQ_NOMEM;
    if (!sq_fs_range_read(s->payload, &s->range))
        return sq_fail(r->ctx, SQ_INTERNAL, "split '%.*s' is damaged", SQ_FMT(in->id));
    s->whole = sq_str_is(s->id, s->range.path);
    if (position.p && !read_position(s, position))
        return sq_fail(r->ctx, SQ_INTERNAL, "split '%.*s' is damaged", SQ_FMT(in->id));
    if (!s->whole && sq_fs_whole(r->table, r->spec)) {
        sq_fail(r->ctx, SQ_SEMANTIC, "the checkpoint was made by a run that read '%s' as one of known length: it does not say where to go on when the file grows", s->range.path);
        return sq_hint(r->ctx, "let that run end without 'execution.trigger' and 'source.monitor-interval', or begin anew with another 'pipeline.name'");
    }
    return s->whole ? look_again(r, s) : SQ_OK;
}

static sq_rc fs_add_split(struct sq_reader *self, const struct sq_split *in, struct sq_str position)
{
    struct reader *r = (struct reader *)(void *)self;
    SQ_TRY(sq_grow(r->ctx, &r->splits, &r->cap_splits, r->nsplits + 1, sizeof *r->splits));
    struct split s = {.first = -1, .base_line = -1};
    char *id = sq_str_copy(r->ctx, in->id), *payload = sq_str_copy(r->ctx, in->payload);
    s.id = (struct sq_str){id, in->id.n};
    s.payload = (struct sq_str){payload, in->payload.n};
    sq_rc rc = begin_split(r, &s, in, position);
    if (rc != SQ_OK) {
        sq_free(r->ctx, id);
        sq_free(r->ctx, payload);
        return rc;
    }
    if (!s.range.stream)
        r->stats.total_bytes += s.range.end - (s.resumed ? s.pos : s.range.start);
    else
        r->stats.total_bytes = INT64_MIN / 2;           /* unknown from now on */
    r->splits[r->nsplits++] = s;
    r->dry = false;
    return SQ_OK;
}

/* ---- the file ---- */

/* A hash of the bytes before the position. */
static sq_rc mark_of(struct reader *r, const struct split *s, uint64_t *mark)
{
    unsigned char bytes[MARK_BYTES];
    size_t want = s->pos < MARK_BYTES ? (size_t)s->pos : MARK_BYTES, n = 0;
    uint64_t h = UINT64_C(14695981039346656037);
    while (n < want) {
        ssize_t got = r->ctx->os->pread(r->ctx->os->arg, r->fd, bytes + n, want - n, s->pos - (int64_t)(want - n));
        if (got < 0)
            return io_error(r, "read", s->range.path, (int)got);
        if (got == 0)
            break;                                      /* it has shrunk: no mark of it fits */
        n += (size_t)got;
    }
    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * UINT64_C(1099511628211);
    *mark = h ^ h >> 32;
    return SQ_OK;
}

static sq_rc meta_vec(struct reader *r, const struct split *s, const struct sq_table_column *c, struct sq_vec **v)
{
    const char *slash = strrchr(s->range.path, '/');
    int64_t ms = (s->range.mtime_us < 0 ? s->range.mtime_us - SQ_US_PER_MS + 1 : s->range.mtime_us) / SQ_US_PER_MS * SQ_US_PER_MS;
    struct sq_ts16 ts = {.us = ms};
    switch (meta_of(c->metadata_key)) {
    case SQ_FS_PATH: *v = sq_vec_const_str(&r->meta, c->type, sq_str_of(s->range.path)); break;
    case SQ_FS_NAME: *v = sq_vec_const_str(&r->meta, c->type, sq_str_of(slash ? slash + 1 : s->range.path)); break;
    case SQ_FS_SIZE: *v = sq_vec_const_fixed(&r->meta, c->type, &s->range.size); break;
    default: *v = sq_vec_const_fixed(&r->meta, c->type, sq_type_phys(c->type) == SQ_P_TS16 ? (const void *)&ts : &ms); break;
    }
    return *v ? SQ_OK : SQ_NOMEM;
}

static sq_rc meta_vecs(struct reader *r, const struct split *s)
{
    struct sq_vec *v;
    if (!r->nmeta)
        return SQ_OK;
    sq_arena_reset(&r->meta);
    for (uint32_t i = 0; i < r->spec->ncols; i++) {
        const struct sq_table_column *c = &r->spec->table->cols[r->spec->cols[i]];
        if (r->from_out[i] != UINT32_MAX)
            continue;
        SQ_TRY(c->role == SQ_COL_METADATA ? meta_vec(r, s, c, &v) : sq_fs_partition_value(r->ctx, &r->meta, r->table, c, s->range.path, &v));
        r->vecs[i] = *v;
    }
    return SQ_OK;
}

static sq_rc open_split(struct reader *r, struct split *s)
{
    int fd = r->ctx->os->open(r->ctx->os->arg, s->range.path, O_RDONLY, 0);
    if (fd < 0)
        return io_error(r, "read", s->range.path, fd);
    r->fd = fd;
    if (s->whole && s->resumed) {
        uint64_t mark;
        SQ_TRY(mark_of(r, s, &mark));
        if (mark != s->mark)
            return other_file(r, s, "was replaced");
    }
    r->len = r->line = r->searched = 0;
    r->nrec = r->at = 0;
    r->frame_state = 0;
    r->multi = false;
    r->eof = false;
    r->skipped_is_record = false;
    r->skipping = !s->resumed && s->range.start > 0;
    r->buf_at = s->resumed ? s->pos : s->range.start - (r->skipping ? 1 : 0);
    r->drop = s->resumed ? s->pos_rows : 0;
    s->pos_rows = 0;                                    /* the record is decoded again from its first row */
    s->done = 0;
    s->inner = 0;
    if (!r->skipping) {
        s->first = s->pos = r->buf_at;
        s->base_line = s->first == 0 ? 0 : -1;
    }
    return meta_vecs(r, s);
}

static void close_split(struct reader *r)
{
    r->ctx->os->close(r->ctx->os->arg, r->fd);
    r->fd = -1;
}

/* Fills the buffer behind len; eof when there is no more. A block is read whole, so that batches do not depend on how the system
 * hands the bytes out; beyond the split's end only as much as its last line is likely to need. */
static sq_rc fill(struct reader *r, const struct split *s)
{
    size_t want = r->cap - r->len;
    int64_t at = r->buf_at + (int64_t)r->len, left = s->range.end - at;
    if (left <= 0)
        left = OVERREAD;
    else if (left < INT64_MAX - OVERREAD)
        left += OVERREAD;
    if ((int64_t)want > left)
        want = (size_t)left;
    while (want > 0) {
        ssize_t got = r->ctx->os->pread(r->ctx->os->arg, r->fd, r->buf + r->len, want, at);
        if (got < 0)
            return io_error(r, "read", s->range.path, (int)got);
        if (got == 0) {
            r->eof = true;
            break;
        }
        r->len += (size_t)got;
        at += got;
        want -= (size_t)got;
        if (s->range.stream)
            break;                                      /* what a pipe has now is enough to go on */
    }
    memset(r->buf + r->len, 0, PAD);
    return SQ_OK;
}

/* ---- lines ---- */

/* Bit i is set where p[i] is a newline, for i < 64. 64 bytes are readable. */
static inline uint64_t newlines(const char *p)
{
#ifdef __SSE2__
    const __m128i nl = _mm_set1_epi8('\n');
    const __m128i *v = (const __m128i *)(const void *)p;
    uint64_t a = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(v), nl));
    uint64_t b = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(v + 1), nl));
    uint64_t c = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(v + 2), nl));
    uint64_t d = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(v + 3), nl));
    return a | b << 16 | c << 32 | d << 48;
#else
    uint64_t m = 0;
    for (int i = 0; i < 64; i++)
        m |= (uint64_t)(p[i] == '\n') << i;
    return m;
#endif
}

static inline void add_line(struct reader *r, size_t from, size_t to)
{
    const char *p = r->buf + from;
    size_t n = to - from;
    if (n && p[n - 1] == '\r')
        n--;
    r->rec[r->nrec++] = (struct sq_slice){p, n};
}

/* cut_lines for formats that cut records themselves. */
static bool cut_framed(struct reader *r, size_t end)
{
    struct sq_frame f = {
        .p = r->buf, .n = r->len, .begin = r->line, .at = r->searched, .limit = end, .state = r->frame_state, .rec = r->rec, .nrec = r->nrec,
        .max = r->batch_rows, .multi = r->multi,
    };
    bool full = r->frame(r->table->format.options, &f);
    r->line = f.begin;
    r->searched = f.at;
    r->frame_state = f.state;
    r->nrec = f.nrec;
    r->multi = f.multi;
    return full;
}

/* Cuts lines until rec is full or a line begins beyond `end` (an offset in the buffer): true. False: the buffer is used up. */
static bool cut_lines(struct reader *r, size_t end)
{
    if (r->frame)
        return cut_framed(r, end);
    size_t at = r->searched, line = r->line;
    const uint32_t max = r->batch_rows;
    if (line >= end)
        return true;
    while (at < r->len) {
        uint64_t m = newlines(r->buf + at);
        if (r->len - at < 64)
            m &= ((uint64_t)1 << (r->len - at)) - 1;
        while (m) {
            size_t nl = at + (size_t)__builtin_ctzll(m);
            m &= m - 1;
            add_line(r, line, nl);
            line = nl + 1;
            if (r->nrec == max || line >= end) {
                r->line = r->searched = line;
                return true;
            }
        }
        at += 64;
    }
    r->line = line;
    r->searched = r->len;
    return false;
}

/* Makes room: moves what is kept (from `keep` on) to the buffer's beginning. */
static void shift(struct reader *r, size_t keep)
{
    if (keep == 0)
        return;
    memmove(r->buf, r->buf + keep, r->len - keep);
    for (uint32_t i = 0; i < r->nrec; i++)
        r->rec[i].p -= keep;
    r->len -= keep;
    r->line -= keep;
    r->searched -= keep;
    r->buf_at += (int64_t)keep;
}

static sq_rc double_buffer(struct reader *r)
{
    size_t cap = r->cap * 2, most = (size_t)r->table->line_limit + 1;
    if (cap > most)
        cap = most;
    char *p = sq_realloc(r->ctx, r->buf, cap + PAD);
    if (!p)
        return SQ_NOMEM;
    SQ_ASSERT(r->nrec == 0);
    r->buf = p;
    r->cap = cap;
    return SQ_OK;
}

static sq_rc count_lines_before(struct reader *r, struct split *s);

/* Newlines within the next n records. */
static int64_t inner_newlines(const struct reader *r, uint32_t n)
{
    int64_t lines = 0;
    for (uint32_t i = r->at; i < r->at + n; i++)
        for (const char *p = r->rec[i].p, *end = p + r->rec[i].n; (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
            lines++;
    return lines;
}

static sq_rc line_number(struct reader *r, struct split *s, uint64_t record, int64_t *line)
{
    if (s->base_line < 0)
        SQ_TRY(count_lines_before(r, s));
    *line = s->base_line + s->inner + (int64_t)record + 1;
    if (r->multi)
        *line += inner_newlines(r, (uint32_t)(record - s->done));
    return SQ_OK;
}

static void show_bad(struct reader *r, struct split *s, uint64_t record, struct sq_str column, const char *reason, struct sq_slice raw)
{
    int64_t line = 0;
    struct sq_error keep = r->ctx->err;
    if (!r->spec->bad)
        return;
    if (line_number(r, s, record, &line) != SQ_OK)
        r->ctx->err = keep;
    r->spec->bad(r->spec->bad_arg, sq_str_of(s->range.path), line, column, reason, (struct sq_str){raw.p, (uint32_t)raw.n});
}

/* Says how to go on without the record, where the format has such an option. */
static void hint_to_skip(struct reader *r)
{
    static const char suffix[] = "ignore-parse-errors";
    const struct sq_format *f = r->table->format.format;
    for (uint32_t i = 0; i < f->noptions && !r->ctx->err.hint[0]; i++) {
        const char *key = f->options[i].key;
        size_t n = strlen(key);
        if (n >= sizeof suffix - 1 && strcmp(key + n - (sizeof suffix - 1), suffix) == 0)
            sq_hint(r->ctx, "to go on without such records, counted: '%s' = 'true'", key);
    }
}

/* The buffer is full of one line without an end. */
static sq_rc long_line(struct reader *r, struct split *s)
{
    int64_t limit = r->table->line_limit, line;
    char reason[96];
    if ((int64_t)r->cap <= limit)
        return double_buffer(r);
    snprintf(reason, sizeof reason, "the line is longer than the limit of %lld %s", (long long)(limit >= 1 << 20 ? limit >> 20 : limit),
             limit >= 1 << 20 ? "MB" : "bytes");
    if (r->table->skips_bad) {
        show_bad(r, s, s->done, (struct sq_str){NULL, 0}, reason, (struct sq_slice){r->buf, RAW_SHOWN < r->len ? RAW_SHOWN : r->len});
        r->skipping = r->skipped_is_record = true;
        return SQ_OK;
    }
    SQ_TRY(line_number(r, s, s->done, &line));
    sq_fail(r->ctx, SQ_LIMIT, "%s:%lld: %s", s->range.path, (long long)line, reason);
    hint_to_skip(r);
    return SQ_LIMIT;
}

/* Drops bytes up to and with the next newline. */
static sq_rc skip_line(struct reader *r, struct split *s)
{
    SQ_ASSERT(r->nrec == 0);
    for (;;) {
        const char *nl = memchr(r->buf + r->line, '\n', r->len - r->line);
        if (nl || r->eof) {
            r->line = nl ? (size_t)(nl - r->buf) + 1 : r->len;
            r->searched = r->line;
            r->frame_state = 0;
            r->skipping = false;
            int64_t from = s->pos;
            s->pos = r->buf_at + (int64_t)r->line;
            if (r->skipped_is_record) {
                r->stats.bytes += (uint64_t)(s->pos - from);
                s->done++;
                r->stats.records++;
                r->stats.bad++;
                r->skipped_is_record = false;
            } else {
                s->first = s->pos;
            }
            return SQ_OK;
        }
        r->line = r->searched = r->len;
        shift(r, r->len);
        SQ_TRY(sq_check_interrupt(r->ctx));
        SQ_TRY(fill(r, s));
    }
}

static bool last_line(struct reader *r, const struct split *s)
{
    if (r->spec->available_now)
        return r->nrec > 0;                             /* more of it may come */
    if (r->line < r->len && r->buf_at + (int64_t)r->line < s->range.end) {
        add_line(r, r->line, r->len);
        r->line = r->searched = r->len;
        r->multi |= r->frame_state != 0;                /* it may hold newlines */
        r->frame_state = 0;
    }
    return r->nrec > 0;
}

/* Fills rec with the next lines of the split; none: it has ended. */
static sq_rc next_lines(struct reader *r, struct split *s)
{
    r->nrec = r->at = 0;
    r->multi = false;
    for (;;) {
        if (r->skipping)
            SQ_TRY(skip_line(r, s));
        int64_t end = s->range.end - r->buf_at;
        if (cut_lines(r, end < 0 ? 0 : (uint64_t)end > SIZE_MAX ? SIZE_MAX : (size_t)end))
            return SQ_OK;
        if (r->eof) {
            last_line(r, s);
            return SQ_OK;
        }
        if (r->nrec && s->range.stream)
            return SQ_OK;                               /* do not wait for more of a pipe than there is */
        size_t keep = r->nrec ? (size_t)(r->rec[0].p - r->buf) : r->line;
        if (keep == 0 && r->len == r->cap) {
            if (r->nrec)
                return SQ_OK;                           /* cut by size */
            SQ_TRY(long_line(r, s));
            if (r->skipping)
                continue;
        }
        shift(r, keep);
        SQ_TRY(fill(r, s));
    }
}

/* Lines of the file before the split's first record, by reading it again: only errors ask. */
static sq_rc count_lines_before(struct reader *r, struct split *s)
{
    enum { CHUNK = 65536 };
    int64_t lines = 0, at = 0;
    char *chunk = sq_alloc(r->ctx, CHUNK);
    if (!chunk)
        return SQ_NOMEM;
    while (at < s->first) {
        size_t want = s->first - at < CHUNK ? (size_t)(s->first - at) : CHUNK;
        ssize_t got = r->ctx->os->pread(r->ctx->os->arg, r->fd, chunk, want, at);
        if (got <= 0)
            break;
        for (const char *p = chunk; (p = memchr(p, '\n', (size_t)(chunk + got - p))) != NULL; p++)
            lines++;
        at += got;
    }
    sq_free(r->ctx, chunk);
    s->base_line = lines;
    return SQ_OK;
}

/* ---- batches ---- */

static void bad_record(void *arg, uint32_t record, struct sq_str column, const char *reason)
{
    struct reader *r = arg;
    show_bad(r, &r->splits[r->cur], r->splits[r->cur].done + record, column, reason, r->rec[r->at + record]);
}

/* Names the place of a record that failed. */
static sq_rc failed_record(struct reader *r, struct split *s, uint32_t record, sq_rc rc)
{
    int64_t line;
    struct sq_error keep = r->ctx->err;
    if (line_number(r, s, s->done + record, &line) != SQ_OK)
        return r->ctx->err.rc;
    r->ctx->err = keep;
    sq_wrap(r->ctx, "%s:%lld", s->range.path, (long long)line);
    hint_to_skip(r);
    return rc;
}

static sq_rc decode(struct reader *r, struct split *s)
{
    struct sq_decode d = {
        .rec = r->rec + r->at, .nrec = r->nrec - r->at, .padded = true, .max_rows = r->batch_rows, .out = &r->out, .row_record = r->row_record,
        .bad = r->spec->bad ? bad_record : NULL, .bad_arg = r,
        .file_start = r->buf_at == 0 && r->at < r->nrec && r->rec[r->at].p == r->buf,
    };
    sq_out_reset(&r->out);
    sq_rc rc = r->table->format.format->decode(r->decoder, &d);
    if (rc == SQ_DATA || rc == SQ_LIMIT)
        return failed_record(r, s, d.failed, rc);
    if (rc != SQ_OK)
        return rc;
    SQ_ASSERT(d.consumed <= d.nrec && r->out.n <= (r->batch_rows > 1 ? r->batch_rows : 2));   /* an update is two rows, kept together */
    if (d.consumed == 0 && r->out.n == 0 && d.nrec > 0)
        return sq_fail(r->ctx, SQ_INTERNAL, "format '%s' makes no progress", r->table->format.format->name);

    /* rows of a record that is not done with yet: they are part of the position */
    uint32_t part = 0;
    while (d.consumed < d.nrec && part < r->out.n && r->row_record[r->out.n - 1 - part] == d.consumed)
        part++;
    s->pos_rows = d.consumed == 0 ? s->pos_rows + part : part;
    if (r->multi)
        s->inner += inner_newlines(r, d.consumed);
    r->at += d.consumed;
    s->done += d.consumed;
    int64_t pos = r->buf_at + (r->at < r->nrec ? (int64_t)(r->rec[r->at].p - r->buf) : (int64_t)r->line);
    if (pos > s->pos)
        r->stats.bytes += (uint64_t)(pos - s->pos);
    s->pos = pos;
    r->stats.records += d.consumed;
    r->stats.bad += d.nbad;
    r->stats.bad_values += d.nbad_values;
    r->stats.filtered += d.nfiltered;
    return SQ_OK;
}

/* A restored position may stand inside a record: its first rows were handed on before. */
static uint32_t drop_seen(struct reader *r, struct split *s)
{
    uint32_t n = r->drop < r->out.n ? r->drop : r->out.n;
    for (uint32_t i = 0; i < n; i++)
        if (r->row_record[i] != 0) {
            n = i;
            r->drop = n;
        }
    r->drop -= n;
    if (s->done)                                        /* the record is done with: there were no more rows in it */
        r->drop = 0;
    return n;
}

static const struct sq_batch *make_batch(struct reader *r, uint32_t dropped)
{
    const struct sq_batch *b = sq_out_batch(&r->out);
    if (!r->nmeta && !dropped)
        return b;
    r->batch = *b;
    if (r->nmeta) {
        for (uint32_t i = 0; i < r->spec->ncols; i++)
            if (r->from_out[i] != UINT32_MAX)
                r->vecs[i] = b->cols[r->from_out[i]];
        r->batch.cols = r->vecs;
        r->batch.ncols = r->spec->ncols;
    }
    if (dropped) {
        for (uint32_t i = dropped; i < b->rows; i++)
            r->row_record[i - dropped] = i;             /* decoded and counted already: free for a selection */
        r->batch.sel = r->row_record;
        r->batch.nsel = b->rows - dropped;
    }
    return &r->batch;
}

static sq_rc end_split(struct reader *r, struct split *s, struct sq_poll *p)
{
    if (s->whole)
        SQ_TRY(mark_of(r, s, &s->mark));
    s->flags |= READ_TO_END;
    if (r->spec->available_now && r->line < r->len && r->buf_at + (int64_t)r->line < s->range.end)
        sq_notice(r->ctx, "the last line of '%s' has no end: it is left for the next run", s->range.path);
    close_split(r);
    *p = (struct sq_poll){.state = SQ_POLL_SPLIT_END, .split = r->cur++};
    return SQ_OK;
}

/* All splits have been read. Where others may come that is said once, so that the next is taken where one waits. */
static sq_rc no_split(struct reader *r, struct sq_poll *p)
{
    int64_t ms = r->table->options.monitor_ms, wait = ms < WATCH_US / 1000 ? ms * 1000 : WATCH_US;
    *p = (struct sq_poll){.state = SQ_POLL_END};
    if (r->dry && ms > 0)
        *p = (struct sq_poll){.state = SQ_POLL_IDLE, .wait_us = wait};
    r->dry = true;
    return SQ_OK;
}

static sq_rc fs_poll(struct sq_reader *self, struct sq_poll *p)
{
    struct reader *r = (struct reader *)(void *)self;
    while (r->cur < r->nsplits) {
        struct split *s = &r->splits[r->cur];
        SQ_TRY(sq_check_interrupt(r->ctx));
        if (s->gone) {
            *p = (struct sq_poll){.state = SQ_POLL_SPLIT_END, .split = r->cur++};
            return SQ_OK;
        }
        if (r->fd < 0)
            SQ_TRY(open_split(r, s));
        if (r->at == r->nrec) {
            SQ_TRY(next_lines(r, s));
            if (r->nrec == 0) {
                return end_split(r, s, p);
            }
        }
        SQ_TRY(decode(r, s));
        uint32_t dropped = r->drop ? drop_seen(r, s) : 0;
        if (r->out.n == dropped)
            continue;
        r->stats.rows += r->out.n - dropped;
        *p = (struct sq_poll){.state = SQ_POLL_ROWS, .split = r->cur, .batch = make_batch(r, dropped)};
        return SQ_OK;
    }
    return no_split(r, p);
}

static sq_rc fs_position(struct sq_reader *self, uint32_t split, struct sq_buf *out)
{
    struct reader *r = (struct reader *)(void *)self;
    if (split >= r->nsplits)
        return sq_fail(r->ctx, SQ_INTERNAL, "there is no split %u", split);
    struct split *s = &r->splits[split];
    bool unread = s->first < 0 && !s->resumed;
    if (s->whole && split == r->cur && r->fd >= 0)
        SQ_TRY(mark_of(r, s, &s->mark));
    sq_buf_u64(out, (uint64_t)(unread ? s->range.start : s->pos));
    sq_buf_u32(out, unread ? UNREAD : s->pos_rows);
    if (s->whole) {
        sq_buf_u32(out, s->flags);
        sq_buf_u64(out, s->mark);
    }
    return out->rc;
}

static sq_rc fs_show_position(struct sq_str position, struct sq_buf *out)
{
    uint64_t at;
    uint32_t rows;
    if (position.n != POSITION && position.n != WHOLE_POSITION)
        return sq_buf_puts(out, "damaged");
    memcpy(&at, position.p, 8);
    memcpy(&rows, position.p + 8, 4);
    if (rows == UNREAD)
        return sq_buf_puts(out, "not begun");
    sq_buf_printf(out, "byte %llu", (unsigned long long)at);
    return rows ? sq_buf_printf(out, ", behind row %u of its record", rows) : out->rc;
}

static sq_rc fs_discover(struct sq_reader *self, struct sq_arena *arena, struct sq_split **out, uint32_t *n)
{
    struct reader *r = (struct reader *)(void *)self;
    int64_t now = r->ctx->os->mono_ns(r->ctx->os->arg);
    *n = 0;
    if (r->table->options.monitor_ms <= 0 || (now - r->looked_ns) / 1000000 < r->table->options.monitor_ms)
        return SQ_OK;
    r->looked_ns = now;
    return sq_fs_splits(r->ctx, arena, r->spec, 1, out, n);
}

static void fs_stats(struct sq_reader *self, struct sq_source_stats *st)
{
    const struct reader *r = (const struct reader *)(const void *)self;
    *st = r->stats;
    if (st->total_bytes < 0)
        st->total_bytes = -1;
}

const struct sq_source_class sq_fs_source = {
    .info = fs_info, .splits = sq_fs_splits, .open = fs_open, .add_split = fs_add_split, .poll = fs_poll, .position = fs_position, .stats = fs_stats,
    .close = fs_close, .show_position = fs_show_position, .discover = fs_discover,
};
