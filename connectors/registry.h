/* SPDX-License-Identifier: Apache-2.0
 *
 * registry.h: the descriptors of all connectors. Each is defined in its own folder and listed in registry.c.
 */
#ifndef SQ_CONNECTORS_REGISTRY_H
#define SQ_CONNECTORS_REGISTRY_H

#include "connectors/connector.h"

extern const struct sq_connector sq_connector_filesystem, sq_connector_kafka, sq_connector_upsert_kafka, sq_connector_jdbc, sq_connector_datagen, sq_connector_print, sq_connector_blackhole;

#endif
