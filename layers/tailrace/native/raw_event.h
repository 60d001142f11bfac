/* A stream event's records from its JSON text, as stream_records.decode_stream_record reads them. */
#ifndef TAILRACE_RAW_EVENT_H
#define TAILRACE_RAW_EVENT_H

#include "json.h"

/* ---- one record ---- */

enum { R_SOURCE = 1, R_ARN = 2, R_NAME = 4, R_ID = 8, R_CHANGE = 16, R_NUMBER = 32, R_KEYS = 64, R_NEW = 128,
       R_OLD = 256, R_INSTANT = 512, R_VIEW = 1024 };

typedef struct {
    unsigned seen; /* a name that comes twice is Python's to read: the last one counts there */
    char operation; /* the first letter of eventName */
    Span number, event_id, instant, keys, new_image, old_image, view; /* `at` is NULL for null and for what is absent */
} RawRecord;

static int take_plain_or_null(Cursor *cursor, Span *text) {
    *text = (Span){NULL, 0};
    return next_character(cursor) == 'n' ? take_word(cursor, "null") : take_plain(cursor, text);
}

static int take_map_or_null(Cursor *cursor, Span *json) {
    *json = (Span){NULL, 0};
    if (next_character(cursor) == 'n') return take_word(cursor, "null");
    return *cursor->at == '{' && take_value(cursor, json);
}

static int mark(RawRecord *record, unsigned part) {
    if (record->seen & part) return 0;
    record->seen |= part;
    return 1;
}

static int take_operation(Cursor *cursor, RawRecord *record) {
    Span name;
    if (!take_plain(cursor, &name)) return 0;
    if (!equals(name, "INSERT") && !equals(name, "MODIFY") && !equals(name, "REMOVE")) return 0;
    record->operation = name.at[0];
    return 1;
}

static int take_change_field(Cursor *cursor, Span name, RawRecord *record) {
    Span rest;
    if (equals(name, "SequenceNumber")) {
        if (!mark(record, R_NUMBER) || !take_plain(cursor, &record->number)) return 0;
        return record->number.size > 0 && count_digits(record->number.at, record->number.size) == record->number.size;
    }
    if (equals(name, "Keys")) return mark(record, R_KEYS) && take_map_or_null(cursor, &record->keys);
    if (equals(name, "NewImage")) return mark(record, R_NEW) && take_map_or_null(cursor, &record->new_image);
    if (equals(name, "OldImage")) return mark(record, R_OLD) && take_map_or_null(cursor, &record->old_image);
    if (equals(name, "StreamViewType")) return mark(record, R_VIEW) && take_plain_or_null(cursor, &record->view);
    if (equals(name, "ApproximateCreationDateTime"))
        return mark(record, R_INSTANT) && take_number(cursor, &record->instant);
    return take_value(cursor, &rest);
}

static int take_change(Cursor *cursor, RawRecord *record) {
    Span name;
    if (!mark(record, R_CHANGE) || !take(cursor, '{')) return 0;
    do {
        if (!take_plain(cursor, &name) || !take(cursor, ':') || !take_change_field(cursor, name, record)) return 0;
    } while (take(cursor, ','));
    return take(cursor, '}');
}

static int take_record_field(Cursor *cursor, Span name, Span arn, RawRecord *record) {
    Span text;
    if (equals(name, "dynamodb")) return take_change(cursor, record);
    if (equals(name, "eventID")) return mark(record, R_ID) && take_plain_or_null(cursor, &record->event_id);
    if (equals(name, "eventName")) return mark(record, R_NAME) && take_operation(cursor, record);
    if (equals(name, "eventSource"))
        return mark(record, R_SOURCE) && take_plain(cursor, &text) && equals(text, "aws:dynamodb");
    if (equals(name, "eventSourceARN"))
        return mark(record, R_ARN) && take_plain(cursor, &text) && is_same(text, arn);
    if (equals(name, "userIdentity")) return 0; /* TTL's, or a service's: Python reads it */
    return take_value(cursor, &text);
}

/* An ordinary record of the stream `arn`: all that its ChangeRecord needs. */
static int take_record(Cursor *cursor, Span arn, RawRecord *record) {
    const unsigned needed = R_SOURCE | R_ARN | R_NAME | R_CHANGE | R_NUMBER | R_KEYS | R_INSTANT;
    Span name;
    *record = (RawRecord){.seen = 0};
    if (!take(cursor, '{')) return 0;
    do {
        if (!take_plain(cursor, &name) || !take(cursor, ':') || !take_record_field(cursor, name, arn, record)) return 0;
    } while (take(cursor, ','));
    return take(cursor, '}') && (record->seen & needed) == needed && record->keys.at != NULL;
}

#endif
