/* SPDX-License-Identifier: Apache-2.0
 *
 * formats.h: the formats of this folder, for connectors/registry.c.
 */
#ifndef SQ_FORMATS_FORMATS_H
#define SQ_FORMATS_FORMATS_H

#include "connectors/connector.h"

extern const struct sq_format sq_format_json, sq_format_debezium_json, sq_format_csv, sq_format_raw;

#endif
