// SPDX-License-Identifier: MIT
#include "event_relay/postgres/store.hpp"

#include "support/catch.hpp"
#include "support/dead_letter_contract.hpp"
#include "support/ordering_contract.hpp"
#include "support/postgres_fixture.hpp"
#include "support/quota_contract.hpp"
#include "support/retention_contract.hpp"
#include "support/store_contract.hpp"

namespace {

using namespace event_relay_test;

[[maybe_unused]] const bool is_registered = register_store_contract<postgres_fixture>("postgres::store") &&
                                            register_ordering_contract<postgres_fixture>("postgres::store") &&
                                            register_quota_contract<postgres_fixture>("postgres::store") &&
                                            register_retention_contract<postgres_fixture>("postgres::store") &&
                                            register_dead_letter_contract<postgres_fixture, 10'000>("postgres::store");

}  // namespace
