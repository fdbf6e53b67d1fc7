// SPDX-License-Identifier: MIT
// Processes that die at work on one SQLite file, by their own abort() and by SIGKILL at every point of an event's
// lifecycle: nothing is lost, no write is repeated, and a crash counts against the event that ran. Time is a page that
// they share.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <new>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sqlite3.h>

#include "event_relay/json/json_codec.hpp"
#include "event_relay/outbox/outbox.hpp"
#include "event_relay/outbox/worker.hpp"
#include "event_relay/sqlite/sqlite.hpp"
#include "support/catch.hpp"
#include "support/outbox_events.hpp"

namespace {

using namespace event_relay;
using namespace event_relay_test;
using namespace std::chrono_literals;

constexpr std::string_view doomed = "evt-42";

// Where a process may die.
enum class point { never, claimed, in_handler, settling, in_write, committing, committed, settled };

// Seen by all processes of a test.
struct shared_page {
  struct run {
    char id[40] = {};
    std::uint64_t token = 0;
    attempt_number attempt = 0;
    bool isolated = false;
    bool refused = false;
    std::atomic<std::size_t> from{0};
    std::atomic<std::size_t> to{static_cast<std::size_t>(-1)};
  };

  std::atomic<instant> now{sample_instant};
  std::atomic<std::size_t> moments{0};
  std::atomic<std::size_t> run_count{0};
  run runs[1'000];
  // The next so many processes that come with the doomed event to this point get the signal there.
  std::atomic<point> deadly{point::never};
  std::atomic<int> deaths_left{0};
  std::atomic<int> signal{SIGKILL};
  // Or the process that passes so many points, whatever the event; 0 for none.
  std::atomic<int> fuse{0};

  void pass(point here, std::string_view id) {
    if ((id == doomed && here == deadly && deaths_left > 0 && deaths_left-- > 0) || (fuse > 0 && --fuse == 0)) {
      ::kill(::getpid(), signal);
    }
  }
};

struct shared_clock {
  shared_page* page;
  instant now() const { return page->now.load(); }
};
using crash_store = sqlite::store<shared_clock>;

// Logs the runs in the page, and dies there when it is to.
class page_log : public no_observer {
 public:
  explicit page_log(shared_page& page) : page_{&page} {}

  void on_claimed(std::span<const claimed_event> claims) const {
    for (const claimed_event& each : claims) {
      page_->pass(point::claimed, each.record.id);
    }
    is_doomed_here_ =
        std::any_of(claims.begin(), claims.end(), [](const auto& each) { return each.record.id == doomed; });
  }
  void on_run_started(const claimed_event& claim, instant) const {
    shared_page::run& made = page_->runs[page_->run_count++];
    std::strncpy(made.id, claim.record.id.c_str(), sizeof made.id - 1);
    made.token = claim.held.token;
    made.attempt = claim.attempt;
    made.isolated = claim.isolated;
    made.from = page_->moments++;
  }
  void on_run_ended(const claimed_event& claim, instant) const { run_of(claim).to = page_->moments++; }
  void on_settling() const { page_->pass(point::settling, is_doomed_here_ ? doomed : ""); }
  void on_settled(const claimed_event& claim, const decision& decided, settle_status status) const {
    if (decided.status == attempt_status::processed) {
      run_of(claim).refused = status == settle_status::stale;
    }
    page_->pass(point::settled, claim.record.id);
  }

 private:
  shared_page::run& run_of(const claimed_event& claim) const {
    return *std::find_if(std::begin(page_->runs), std::end(page_->runs), [&](const shared_page::run& each) {
      return each.token == claim.held.token && claim.record.id == each.id;
    });
  }

  shared_page* page_;
  mutable bool is_doomed_here_ = false;
};

// Writes down each event, unless it is the doomed one and `aborts`; bookings are notified of.
struct crash_handler {
  shared_page* page;
  bool aborts = false;

  // The store's own connection is at hand in a write, and with it the moments before and after the commit.
  void die_at_the_commit(sqlite3* database) const {
    sqlite3_commit_hook(
        database,
        [](void* all) {
          static_cast<shared_page*>(all)->pass(point::committing, doomed);
          return 0;
        },
        page);
    sqlite3_wal_hook(
        database,
        [](void* all, sqlite3*, const char*, int) {
          static_cast<shared_page*>(all)->pass(point::committed, doomed);
          return SQLITE_OK;
        },
        page);
  }

  template <event_type Event>
  auto operator()(const worker_envelope<Event>& envelope) const {
    const std::string& id = envelope.event.id;
    if (aborts && id == doomed) {
      std::abort();
    }
    page->pass(point::in_handler, id);
    return settled_with{
        [this, id](sqlite::connection& database) {
          database.execute("INSERT INTO effects VALUES (?)", id);
          page->pass(point::in_write, id);
          if (id == doomed) {
            die_at_the_commit(database.handle());
          }
        },
        std::is_same_v<Event, booking_created> && !aborts ? processed{push("ada", "note")} : processed{}};
  }
};

// How a process ended, or that it was stopped in the midst of its work.
enum class ending { done, time_must_pass, killed, aborted, stalled, failed };

class crash_scene {
 public:
  explicit crash_scene(int events, attempt_number max_attempts = 3) : max_attempts_{max_attempts} {
    folder_ = std::filesystem::temp_directory_path() / ("event_relay_crash_" + process_ids{}.next_id());
    std::filesystem::create_directory(folder_);
    void* const shared = mmap(nullptr, sizeof(shared_page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(shared != MAP_FAILED);
    page_ = new (shared) shared_page;
    crash_store store{open()};
    with_host([&](sqlite3* host) {
      sqlite3_exec(host, "CREATE TABLE effects (event TEXT NOT NULL)", nullptr, nullptr, nullptr);
      sqlite::immediate_transaction together{host};
      outbox box{outbox_events{}, store, json_codec{}};
      for (int number = 1; number <= events; ++number) {
        box.append(host, sample_event(fmt::format("evt-{}", number)));
      }
      together.commit();
    });
  }
  ~crash_scene() {
    for (const pid_t each : children_) {
      ::kill(each, SIGKILL);  // only where a check has failed
      waitpid(each, nullptr, 0);
    }
    munmap(page_, sizeof(shared_page));
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  crash_scene(const crash_scene&) = delete;
  crash_scene& operator=(const crash_scene&) = delete;

  shared_page& page() const { return *page_; }

  // FULL would only cost time: no power is lost here.
  crash_store open() const {
    return crash_store{(folder_ / "outbox.sqlite").string(), {.durability = sqlite::synchronous::normal}, {page_}};
  }

  template <class Use>
  void with_host(Use use) const {
    sqlite3* host = nullptr;
    REQUIRE(sqlite3_open((folder_ / "outbox.sqlite").c_str(), &host) == SQLITE_OK);
    use(host);
    CHECK(sqlite3_close(host) == SQLITE_OK);
  }

  // A process that does `body()`, which gives its ending; no connection is open across the fork.
  template <class Body>
  pid_t start(Body body) {
    const pid_t child = fork();
    if (child == 0) {
      const rlimit no_core{0, 0};
      setrlimit(RLIMIT_CORE, &no_core);
      std::signal(SIGABRT, SIG_DFL);
      ending end = ending::failed;
      try {
        end = body();
      } catch (...) {
      }
      _exit(static_cast<int>(end));
    }
    REQUIRE(child > 0);
    children_.insert(child);
    return child;
  }
  ending wait_for(pid_t child) {
    int status = 0;
    waitpid(child, &status, WUNTRACED);
    if (WIFSTOPPED(status)) {
      return ending::stalled;
    }
    children_.erase(child);
    if (WIFSIGNALED(status)) {
      return WTERMSIG(status) == SIGKILL   ? ending::killed
             : WTERMSIG(status) == SIGABRT ? ending::aborted
                                           : ending::failed;
    }
    return static_cast<ending>(WEXITSTATUS(status));
  }

  auto options(std::size_t batch) const {
    return worker_options().with_batch(batch).with_observer(page_log{*page_}).with_max_attempts(max_attempts_);
  }

  // The work of one process, step by step until nothing is left, or nothing can be done before a lease ends.
  ending work(std::size_t batch, bool aborts) const {
    crash_store store{open()};
    outbox box{outbox_events{}, store, json_codec{}};
    worker tested{box, crash_handler{page_, aborts}, options(batch)};
    for (int idle = 0; idle < 2;) {
      if (!store.has_unfinished()) {
        return ending::done;
      }
      idle = tested.run_once() == worker_report{} ? idle + 1 : 0;
    }
    return ending::time_must_pass;
  }
  ending work_on_threads(std::size_t batch, bool aborts) const {
    crash_store store{open()};
    outbox box{outbox_events{}, store, json_codec{}};
    worker tested{box, crash_handler{page_, aborts}, options(batch).with_threads(4)};
    tested.run_until_done();
    return ending::done;
  }

  // Starts processes one after another, each when the leases of the one before have expired, until one finds nothing
  // left; returns how many died.
  template <class Body>
  int until_done(Body body) {
    for (int deaths = 0;;) {
      const ending end = wait_for(start(body));
      REQUIRE(end != ending::failed);
      if (end == ending::done) {
        return deaths;
      }
      deaths += end != ending::time_must_pass ? 1 : 0;
      REQUIRE(deaths < 100);
      let_leases_expire();
    }
  }

  void let_leases_expire() const {
    page_->now = page_->now.load() + 30s;
    for (shared_page::run& each : page_->runs) {
      each.to = std::min(each.to.load(), page_->moments.load());
    }
    ++page_->moments;
  }

  std::vector<run_log::run> runs() const {
    std::vector<run_log::run> all;
    for (std::size_t at = 0; at < page_->run_count; ++at) {
      const shared_page::run& each = page_->runs[at];
      all.push_back({.id = each.id,
                     .held = {0, each.token},
                     .attempt = each.attempt,
                     .isolated = each.isolated,
                     .started = {},
                     .from = each.from,
                     .to = each.to});
    }
    return all;
  }

  // Each event that was written down, and how often: "evt-1 x1".
  std::vector<std::string> effects() const {
    std::vector<std::string> counts;
    sqlite::connection database{(folder_ / "outbox.sqlite").string(), 0ms};
    database.query("SELECT event || ' x' || count(*) FROM effects GROUP BY event",
                   [&](const sqlite::row& each) { counts.emplace_back(each.text(0)); });
    std::sort(counts.begin(), counts.end());
    return counts;
  }

  // Each of `count` bookings and of their notifications was written down once, but for the doomed event's if it is
  // dead.
  void check_effects(int count, bool is_doomed_dead) const {
    std::vector<std::string> expected;
    for (int number = 1; number <= count; ++number) {
      const std::string id = fmt::format("evt-{}", number);
      if (!is_doomed_dead || id != doomed) {
        expected.push_back(id + " x1");
        const notification note{push("ada", "note"), id, correlation_id::parse("corr-1").value(), sample_instant};
        expected.push_back(note.id().to_string() + " x1");
      }
    }
    std::sort(expected.begin(), expected.end());
    CHECK(effects() == expected);
    crash_store store{open()};
    CHECK_FALSE(store.has_unfinished());
    CHECK(state_of(store, doomed) == (is_doomed_dead ? "dead-letter 3 max-attempts-exhausted" : "gone"));
  }

 private:
  std::filesystem::path folder_;
  shared_page* page_ = nullptr;
  attempt_number max_attempts_ = 3;
  std::set<pid_t> children_;
};

// One dead letter after three runs of its own, and 99 others that were charged nothing.
void check_poison(const crash_scene& scene) {
  crash_store store{scene.open()};
  CHECK(state_of(store, doomed) == "dead-letter 3 max-attempts-exhausted");
  CHECK(history_of(store, doomed) == "1 lease expired, 2 lease expired, 3 lease expired");
  CHECK_FALSE(store.has_unfinished());
  const auto effects = scene.effects();
  CHECK(effects.size() == 99);
  CHECK(std::all_of(effects.begin(), effects.end(), [](const std::string& each) { return each.ends_with(" x1"); }));
  std::string runs_of_doomed;
  for (const run_log::run& each : scene.runs()) {
    if (each.id == doomed) {
      runs_of_doomed += fmt::format("{}{} ", each.attempt, each.isolated ? " isolated" : "");
    } else {
      CHECK(each.attempt == 1);
    }
  }
  CHECK(runs_of_doomed == "1 1 isolated 2 isolated 3 isolated ");
  CHECK(faults_of(scene.runs()).empty());
}

}  // namespace

TEST_CASE("sqlite crash: one event in a batch of 100 that aborts the process, dead after its own runs, and no other") {
  crash_scene scene{100};
  CHECK(scene.until_done([&] { return scene.work(100, true); }) == 4);
  check_poison(scene);
}

TEST_CASE("sqlite crash: the same on four threads, the orphan alone among them") {
  crash_scene scene{100};
  CHECK(scene.until_done([&] { return scene.work_on_threads(25, true); }) == 4);
  check_poison(scene);
}

TEST_CASE("sqlite crash: killed once at each point of an event's lifecycle, nothing lost and no write repeated") {
  for (const point deadly : {point::claimed, point::in_handler, point::settling, point::in_write, point::committing,
                             point::committed, point::settled}) {
    CAPTURE(static_cast<int>(deadly));
    crash_scene scene{50};
    scene.page().deadly = deadly;
    scene.page().deaths_left = 1;
    CHECK(scene.until_done([&] { return scene.work(20, false); }) == 1);
    scene.check_effects(50, false);
    const auto runs = scene.runs();
    CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& each) { return each.attempt == 1; }));
  }
}

TEST_CASE("sqlite crash: killed every time at one event, it is a dead letter and the others are whole") {
  for (const point deadly : {point::in_handler, point::settling, point::in_write, point::committing}) {
    CAPTURE(static_cast<int>(deadly));
    crash_scene scene{50};
    scene.page().deadly = deadly;
    scene.page().deaths_left = 4;
    CHECK(scene.until_done([&] { return scene.work(20, false); }) == 4);
    scene.check_effects(50, true);
  }
}

TEST_CASE("sqlite crash: killed at random, again and again, nothing lost and no write repeated") {
  std::mt19937 random{20260320};
  for (int history = 0; history < 3; ++history) {
    crash_scene scene{45, 1'000};
    int deaths = 0;
    for (; deaths < 25; ++deaths) {
      scene.page().fuse = 1 + static_cast<int>(random() % 40);
      const ending end = scene.wait_for(scene.start([&] { return scene.work(1 + random() % 10, false); }));
      scene.let_leases_expire();
      if (end == ending::done) {
        break;
      }
      REQUIRE((end == ending::killed || end == ending::time_must_pass));
    }
    scene.page().fuse = 0;
    scene.until_done([&] { return scene.work(10, false); });
    CHECK(deaths > 5);
    scene.check_effects(45, false);
    CHECK(faults_of(scene.runs()).empty());
  }
}

TEST_CASE("sqlite crash: two processes at one file, one of them killed, no event runs twice at a time") {
  crash_scene scene{60};
  scene.page().deadly = point::in_write;
  scene.page().deaths_left = 1;
  int deaths = 0;
  for (bool is_done = false; !is_done;) {
    const pid_t one = scene.start([&] { return scene.work(5, false); });
    const pid_t other = scene.start([&] { return scene.work(5, false); });
    for (const pid_t each : {one, other}) {
      const ending end = scene.wait_for(each);
      REQUIRE(end != ending::failed);
      deaths += end == ending::killed ? 1 : 0;
      is_done = is_done || end == ending::done;
    }
    scene.let_leases_expire();
  }
  CHECK(deaths == 1);
  scene.check_effects(60, false);
  auto runs = scene.runs();
  for (run_log::run& each : runs) {
    each.isolated = false;  // an orphan is alone in its own process
  }
  CHECK(faults_of(runs).empty());
}

TEST_CASE("sqlite crash: a process that stalls past its lease, all that it brings afterwards is refused") {
  crash_scene scene{50};
  scene.page().deadly = point::in_handler;
  scene.page().deaths_left = 2;
  scene.page().signal = SIGSTOP;
  const auto start = [&] { return scene.start([&] { return scene.work(20, false); }); };
  const pid_t first = start();
  REQUIRE(scene.wait_for(first) == ending::stalled);
  scene.let_leases_expire();
  const pid_t second = start();
  REQUIRE(scene.wait_for(second) == ending::stalled);

  ::kill(first, SIGCONT);
  CHECK(scene.wait_for(first) == ending::time_must_pass);
  ::kill(second, SIGCONT);
  CHECK(scene.wait_for(second) == ending::done);
  scene.check_effects(50, false);
  std::string ends_of_doomed;
  for (std::size_t at = 0; at < scene.page().run_count; ++at) {
    if (scene.page().runs[at].id == doomed) {
      ends_of_doomed += scene.page().runs[at].refused ? "refused " : "applied ";
    }
  }
  CHECK(ends_of_doomed == "refused applied ");
}

TEST_CASE("sqlite crash: a host killed before or after its commit, its change and its event are both there or none") {
  for (const bool is_before : {true, false}) {
    CAPTURE(is_before);
    crash_scene scene{0};
    const pid_t host = scene.start([&] {
      crash_store store{scene.open()};
      outbox box{outbox_events{}, store, json_codec{}};
      scene.with_host([&](sqlite3* connection) {
        sqlite::immediate_transaction change{connection};
        sqlite3_exec(connection, "INSERT INTO effects VALUES ('the change')", nullptr, nullptr, nullptr);
        box.append(connection, sample_event());
        if (!is_before) {
          change.commit();
        }
        ::kill(::getpid(), SIGKILL);
      });
      return ending::failed;
    });
    CHECK(scene.wait_for(host) == ending::killed);
    crash_store store{scene.open()};
    CHECK(state_of(store, "evt-1") == (is_before ? "gone" : "ready 0"));
    CHECK(scene.effects().size() == (is_before ? 0 : 1));
  }
}
