// SPDX-License-Identifier: MIT
// The library's version, in the one place that CMake, pkg-config and hosts read it from.
#pragma once

#define EVENT_RELAY_VERSION_MAJOR 0
#define EVENT_RELAY_VERSION_MINOR 1
#define EVENT_RELAY_VERSION_PATCH 0
