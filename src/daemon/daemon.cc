// SPDX-License-Identifier: Apache-2.0

#include "daemon/daemon.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/api.h"
#include "api/metrics_page.h"
#include "api/operations.h"
#include "artifacts/artifact_fetcher.h"
#include "artifacts/object_store.h"
#include "artifacts/s3_handler.h"
#include "aws/credentials_file.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/accounts.h"
#include "control/callers.h"
#include "control/checkpoints.h"
#include "control/disk_budget.h"
#include "control/images.h"
#include "control/microvms.h"
#include "control/network_connectors.h"
#include "control/quotas.h"
#include "control/roles.h"
#include "control/sessions.h"
#include "control/storage.h"
#include "control/world.h"
#include "daemon/figures.h"
#include "daemon/token_issuer.h"
#include "host/local_host.h"
#include "logs/log_store.h"
#include "logs/log_writer.h"
#include "net/http_server.h"
#include "network/address_policy.h"
#include "os/file.h"
#include "os/host_facts.h"
#include "os/worker_pool.h"
#include "otlp/exporter.h"
#include "proxy/certificate_authority.h"
#include "proxy/endpoint_server.h"
#include "proxy/microvms_backend.h"
#include "proxy/token.h"
#include "store/database.h"
#include "store/identity_store.h"
#include "store/sqlite_metadata_store.h"
#include "telemetry/telemetry.h"

namespace dormouse::daemon {
namespace {

namespace fs = std::filesystem;

// One daemon a data directory, for as long as the descriptor is open.
Result<UniqueFd> lock_directory(const fs::path& directory) {
  DM_ASSIGN(UniqueFd lock, os::open_file(directory / "lock", O_RDWR | O_CREAT), "");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return fail(ErrorKind::kConflict,
                  fmt::format("the data directory {} is in use by another dormoused: stop that one, or choose another "
                              "--data-dir",
                              directory.string()));
    }
    return fail_errno("lock " + directory.string());
  }
  return lock;
}

// Where our other programs are: beside this one, as a build leaves them, or where a package puts them.
fs::path program_directory() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  return fs::exists(here / "dormouse-agent", error) ? here : fs::path("/usr/libexec/dormouse");
}

// Of "address:port"; the daemon's own options were checked by then.
int port_of(const std::string& address) {
  int port = 0;
  const std::size_t colon = address.rfind(':');
  if (colon != std::string::npos) {
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  }
  return port;
}

// Whether nobody but this machine can reach any of these "address:port".
bool all_loopback(const std::vector<std::string>& addresses) {
  return std::all_of(addresses.begin(), addresses.end(), [](const std::string& address) {
    return address.starts_with("127.") || address.starts_with("[::1]:");
  });
}

Result<host::LocalHostOptions> host_options(const Options& options) {
  host::LocalHostOptions result;
  result.data_directory = options.data_directory;
  result.cache_directory = options.cache_directory;
  result.program_directory = program_directory();
  result.qemu = options.qemu;
  result.acceleration = options.acceleration;
  result.kernel = options.kernel;
  result.substitute_base = options.substitute_base;
  DM_ASSIGN(const auto budget, parse_budget("memory", options.memory_budget, 0), "");  // how much is not asked here
  result.peaks_must_fit = budget.has_value();
  result.keep_suspended = std::chrono::seconds(options.keep_suspended_seconds);
  network::AddressPolicy::Options policy;
  if (!options.egress_denied.empty()) {
    policy.denied = options.egress_denied;
  }
  policy.allowed = options.egress_allowed;
  DM_ASSIGN(result.egress_policy, network::AddressPolicy::create(policy), "--egress-denied, --egress-allowed");
  return result;
}

// What every account may have unless something else is set for it.
Result<control::Quotas> default_quotas(const Options& options) {
  control::Quotas quotas = options.quotas == "aws" ? control::aws_quotas(options.region) : control::Quotas();
  for (const std::string& text : options.quota) {
    DM_ASSIGN(const control::QuotaSettings settings, control::parse_quota(text), "");
    for (const auto& [name, value] : settings) {
      if (const auto reason = api::why_no_operation(name)) {
        return fail(ErrorKind::kInvalidArgument, *reason);
      }
    }
    quotas = control::with_settings(std::move(quotas), settings);
  }
  return quotas;
}

Result<std::optional<artifacts::ForeignS3>> foreign_s3(const Options& options) {
  if (!options.s3_endpoint) {
    return std::nullopt;
  }
  artifacts::ForeignS3 foreign;
  foreign.url = *options.s3_endpoint;
  foreign.region = options.s3_region.value_or(options.region);
  if (!options.s3_credentials) {
    return fail(ErrorKind::kInvalidArgument, "--s3-endpoint needs --s3-credentials, the file with its keys");
  }
  DM_ASSIGN(const std::string text, os::read_file(*options.s3_credentials, 1U << 20U), "--s3-credentials");
  DM_ASSIGN(const aws::CredentialsFile file,
            aws::CredentialsFile::parse(text, options.s3_credentials->string(), options.account),
            "--s3-credentials");
  const auto credential = file.profile("default");
  if (!credential) {
    return fail(
        ErrorKind::kInvalidArgument,
        options.s3_credentials->string() + " has no profile [default]: add one with the keys for --s3-endpoint");
  }
  foreign.credential = *credential;
  return foreign;
}

// A random secret that outlives the process, made at the first start.
Result<std::string> lasting_secret(const fs::path& path) {
  if (auto known = os::read_file(path, 4096)) {
    return known;
  }
  std::string secret(32, '\0');
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size())) {
    return fail_errno("getrandom");
  }
  DM_TRY(os::publish_file(path, secret, 0600, os::Durability::kDurable), "");
  return secret;
}

Result<proxy::ServerCertificate> endpoint_certificate(const Options& options, const Clock& clock) {
  DM_ASSIGN(const proxy::CertificateAuthority authority,
            proxy::CertificateAuthority::open(options.data_directory, clock.wall()),
            "the certificate authority");
  if (options.endpoint_certificate) {
    return proxy::load_certificate(*options.endpoint_certificate, *options.endpoint_key);
  }
  return authority.endpoint_certificate(options.region, options.endpoint_domain, clock.wall());
}

}  // namespace

struct Daemon::Parts {
  UniqueFd lock;
  SystemClock clock;
  std::unique_ptr<otlp::Exporter> exporter;
  std::unique_ptr<telemetry::Telemetry> telemetry;
  std::unique_ptr<aws::CredentialsFile> credentials;
  std::unique_ptr<control::Sessions> sessions;
  std::unique_ptr<proxy::TokenKeyring> keyring;
  std::unique_ptr<TokenIssuer> issuer;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<store::MetadataStore> metadata;
  std::unique_ptr<store::IdentityStore> identities;
  std::unique_ptr<control::Callers> callers;
  std::unique_ptr<logs::LogStore> log_store;
  std::unique_ptr<logs::LogWriter> log_writer;  // goes after what writes
  std::unique_ptr<artifacts::ObjectStore> objects;
  std::unique_ptr<artifacts::ArtifactFetcher> fetcher;
  std::unique_ptr<artifacts::S3Handler> s3;
  std::unique_ptr<host::LocalHost> host;
  std::unique_ptr<control::DiskBudget> disk;
  std::unique_ptr<control::World> world;
  std::unique_ptr<control::Accounts> accounts;
  std::unique_ptr<control::Roles> roles;
  std::unique_ptr<control::NetworkConnectors> connectors;
  std::unique_ptr<control::Images> images;
  std::unique_ptr<control::Microvms> microvms;
  std::unique_ptr<control::Checkpoints> checkpoints;
  std::unique_ptr<control::Storage> storage;
  std::unique_ptr<os::WorkerPool> api_workers;
  std::unique_ptr<api::Api> api;
  std::unique_ptr<proxy::MicrovmsBackend> backend;
  std::unique_ptr<net::HttpServer> api_server;
  std::unique_ptr<api::MetricsHandler> metrics;
  std::unique_ptr<net::HttpServer> metrics_server;
  std::unique_ptr<proxy::EndpointServer> endpoint_server;

  Status open_telemetry(const Options& options);
  Status open_stores(const Options& options);
  Status open_disk(const Options& options);
  Status open_control(const Options& options, const os::Cancellation& serving, const os::Context& context);
  Status listen(const Options& options);
  Result<std::vector<control::Storage::Bucket>> buckets() const;
  // What an account has besides the records of the metadata.
  Result<store::IdentityStore::Counts> other_resources(const std::string& account) const;
};

Result<store::IdentityStore::Counts> Daemon::Parts::other_resources(const std::string& account) const {
  DM_ASSIGN(const auto buckets, objects->list_buckets(account), "list buckets");
  DM_ASSIGN(const std::size_t log_groups, log_store->count_groups(account), "count log groups");
  store::IdentityStore::Counts counts{
      {"buckets", buckets.size()}, {"checkpoints", checkpoints->count(account)}, {"log groups", log_groups}};
  std::erase_if(counts, [](const auto& kind) { return kind.second == 0; });
  return counts;
}

Result<std::vector<control::Storage::Bucket>> Daemon::Parts::buckets() const {
  DM_ASSIGN(const auto use, objects->bucket_use(), "");
  std::vector<control::Storage::Bucket> found;
  for (const auto& [account, bucket, bytes, count] : use) {
    found.push_back({account, bucket, bytes, count});
  }
  return found;
}

Status Daemon::Parts::open_telemetry(const Options& options) {
  if (options.otlp_endpoint) {
    DM_ASSIGN(exporter, otlp::Exporter::create(*options.otlp_endpoint, DM_VERSION), "--otlp-endpoint");
  }
  telemetry = std::make_unique<telemetry::Telemetry>(clock, telemetry::Telemetry::Options{}, exporter.get());
  return {};
}

Status Daemon::Parts::open_stores(const Options& options) {
  const fs::path& directory = options.data_directory;
  DM_TRY(os::make_directories(directory), "--data-dir");
  DM_ASSIGN(lock, lock_directory(directory), "");
  DM_ASSIGN(
      aws::CredentialsFile file, aws::CredentialsFile::open_or_create(directory / "credentials", options.account), "");
  credentials = std::make_unique<aws::CredentialsFile>(std::move(file));
  DM_ASSIGN(proxy::TokenKeyring keys, proxy::TokenKeyring::open(directory / "token.key"), "");
  keyring = std::make_unique<proxy::TokenKeyring>(std::move(keys));
  issuer = std::make_unique<TokenIssuer>(*keyring);
  DM_ASSIGN(database, store::Database::open(directory / "metadata.sqlite"), "open the metadata");
  metadata = store::make_sqlite_metadata_store(*database);
  identities = std::make_unique<store::IdentityStore>(*database);
  DM_ASSIGN(std::string session_key, lasting_secret(directory / "session.key"), "");
  sessions = std::make_unique<control::Sessions>(std::move(session_key));
  callers = std::make_unique<control::Callers>(*credentials, *identities, *sessions, options.account);
  logs::LogStore::Options bounds;
  bounds.bytes_max = std::uint64_t{options.log_mebibytes} << 20U;
  bounds.stream_bytes_max = std::uint64_t{options.log_stream_mebibytes} << 20U;
  bounds.age_max = std::chrono::days(options.log_days);
  DM_ASSIGN(log_store, logs::LogStore::open(directory / "logs.sqlite", clock, bounds), "");
  DM_ASSIGN(log_writer, logs::LogWriter::start(*log_store, clock, {}), "");
  DM_ASSIGN(objects, artifacts::ObjectStore::open(directory / "artifacts", clock), "open the artifacts");
  DM_ASSIGN(std::optional<artifacts::ForeignS3> foreign, foreign_s3(options), "");
  fetcher = std::make_unique<artifacts::ArtifactFetcher>(*objects, std::move(foreign));
  artifacts::S3Handler::Options s3_options;
  s3_options.region = options.region;
  s3 = std::make_unique<artifacts::S3Handler>(*objects, *callers, clock, s3_options);
  return {};
}

// What the disk has room for, and what holds it.
Status Daemon::Parts::open_disk(const Options& options) {
  const fs::path directory = options.data_directory;
  DM_ASSIGN(const os::FileSystemFacts facts, os::read_file_system_facts(directory), "--data-dir");
  DM_ASSIGN(const auto budget, parse_budget("disk", options.disk_budget, facts.total_bytes), "");
  disk = std::make_unique<control::DiskBudget>(
      control::DiskBudget::Sources{
          clock,
          [directory] { return os::read_file_system_facts(directory); },
          [directory](const os::Context& context) { return control::count_by_kind(directory, context); },
          [this] { return host->memory_use().private_bytes; },
          [this] {
            const host::MemoryUse use = host->memory_use();
            return use.private_bytes / std::max<std::size_t>(1, use.vms);
          }},
      budget);
  world->disk = disk.get();
  disk->count();
  return {};
}

Status Daemon::Parts::open_control(const Options& options,
                                   const os::Cancellation& serving,
                                   const os::Context& context) {
  DM_ASSIGN(host::LocalHostOptions wanted, host_options(options), "");
  DM_ASSIGN(host, host::LocalHost::create(std::move(wanted), context), "");
  host->on_restart([serving] { serving.cancel(); });
  world.reset(new control::World{clock, *host, *metadata, *fetcher, options.data_directory});
  world->logs = log_writer.get();
  world->region = options.region;
  world->telemetry = telemetry.get();
  DM_ASSIGN(const os::ProcessorFacts processor, os::read_processor_facts(), "");
  world->processor = processor.model;
  world->endpoint_domain = options.endpoint_domain;
  world->endpoint_port = port_of(options.endpoint.front());
  world->concurrent_builds = options.concurrent_builds;
  world->drain_timeout = std::chrono::seconds(options.drain_timeout_seconds);
  world->build_timeout = std::chrono::seconds(options.build_timeout_seconds);
  if (options.checkpoint_days > 0) {
    world->checkpoint_age_max = std::chrono::hours(24) * options.checkpoint_days;
  }
  world->suspend_hook_failure = options.suspend_hook_failure == "terminate" ? control::SuspendHookFailure::kTerminate
                                                                            : control::SuspendHookFailure::kKeepRunning;
  world->customer_egress = options.customer_egress == "internet" ? host::Egress::kInternet : host::Egress::kNone;
  world->foreign_architecture = options.foreign_architecture == "refuse" ? control::ForeignArchitecture::kRefuse
                                                                         : control::ForeignArchitecture::kBuild;
  world->image_names = options.image_names;
  DM_ASSIGN(const os::MemoryFacts memory, os::read_memory_facts(), "");
  DM_ASSIGN(world->memory_budget_bytes, parse_budget("memory", options.memory_budget, memory.total_bytes), "");
  DM_ASSIGN(control::Quotas quotas, default_quotas(options), "--quota");
  world->quotas.set_defaults(std::move(quotas));
  accounts = std::make_unique<control::Accounts>(
      control::Accounts::Parts{*identities,
                               world->quotas,
                               clock,
                               [this](const std::string& account) { return other_resources(account); },
                               credentials->all()},
      options.account);
  DM_TRY(accounts->start(), "the accounts");
  roles = std::make_unique<control::Roles>(*identities, *sessions, clock);
  connectors = std::make_unique<control::NetworkConnectors>(*world);
  DM_TRY(open_disk(options), "");
  images = std::make_unique<control::Images>(*world);
  microvms = std::make_unique<control::Microvms>(*world, *images);
  checkpoints = std::make_unique<control::Checkpoints>(*world, *images, *microvms);
  storage = std::make_unique<control::Storage>(
      control::Storage::Parts{*world, *checkpoints, options.cache_directory, [this] { return buckets(); }, *disk});
  DM_ASSIGN(const std::vector<host::RecoveredVm> found, host->recover(context), "find VMs of an earlier daemon");
  connectors->start();
  checkpoints->start();
  images->start();
  microvms->start(found);
  return {};
}

Status Daemon::Parts::listen(const Options& options) {
  api_workers = std::make_unique<os::WorkerPool>(os::WorkerPool::Options{});
  api::Api::Parts parts{*images,
                        *microvms,
                        *checkpoints,
                        *connectors,
                        *accounts,
                        *roles,
                        world->quotas,
                        [this] { return host->not_ready(); },
                        *callers,
                        clock,
                        *issuer,
                        *s3,
                        *log_store,
                        *log_writer,
                        [this](const os::Context& context) { return storage->report(context); },
                        telemetry.get()};
  api::Api::Options api_options;
  api_options.region = options.region;
  api_options.metrics = !options.metrics && all_loopback(options.api);
  api_options.run_hook_payload_bytes_max = options.run_hook_payload_max;
  DM_ASSIGN(api_options.page_token_key, lasting_secret(options.data_directory / "page-token.key"), "");
  api = std::make_unique<api::Api>(parts, std::move(api_options));

  proxy::EndpointServer::Options endpoint_options;
  endpoint_options.listen = options.endpoint;
  endpoint_options.listen_plain = options.endpoint_http;
  endpoint_options.telemetry = telemetry.get();
  DM_ASSIGN(proxy::ServerCertificate certificate, endpoint_certificate(options, clock), "");
  backend = std::make_unique<proxy::MicrovmsBackend>(*microvms, world->quotas);
  endpoint_server = std::make_unique<proxy::EndpointServer>(
      std::move(endpoint_options), std::move(certificate), *backend, *keyring, clock);
  DM_TRY(endpoint_server->start(), "--endpoint");

  net::HttpServer::Options server_options;
  server_options.listen = options.api;
  api_server = std::make_unique<net::HttpServer>(std::move(server_options), *api, *api_workers);
  collect_figures(*telemetry, {*host, *metadata, *disk, exporter.get()});  // before anybody can ask for them
  DM_TRY(api_server->start(), "--api");
  if (options.metrics) {
    metrics = std::make_unique<api::MetricsHandler>(*telemetry);
    net::HttpServer::Options metrics_options;
    metrics_options.listen = {*options.metrics};
    metrics_server = std::make_unique<net::HttpServer>(std::move(metrics_options), *metrics, *api_workers);
    DM_TRY(metrics_server->start(), "--metrics");
  }
  log::info("listening",
            {{"api", fmt::format("{}", fmt::join(options.api, ","))},
             {"endpoint", fmt::format("{}", fmt::join(options.endpoint, ","))}});
  return {};
}

Daemon::Daemon(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Daemon::~Daemon() {
  // Nothing new comes in, then what is under way ends, then what it stands on goes.
  if (parts_->api_server) {
    parts_->api_server->stop();
  }
  if (parts_->endpoint_server) {
    parts_->endpoint_server->stop();
  }
  if (parts_->checkpoints) {
    parts_->checkpoints->stop();
  }
  if (parts_->microvms) {
    parts_->microvms->stop();
  }
  if (parts_->images) {
    parts_->images->stop();
  }
  if (parts_->connectors) {
    parts_->connectors->stop();
  }
}

Result<std::unique_ptr<Daemon>> Daemon::start(const Options& options,
                                              const os::Cancellation& serving,
                                              const os::Context& context) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::make_unique<Parts>()));
  Options resolved = options;
  DM_TRY(os::make_directories(options.data_directory), "--data-dir");
  resolved.data_directory = fs::canonical(options.data_directory);
  DM_TRY(daemon->parts_->open_telemetry(resolved), "");
  DM_TRY(daemon->parts_->open_stores(resolved), "");
  DM_TRY(daemon->parts_->open_control(resolved, serving, context), "");
  DM_TRY(daemon->parts_->listen(resolved), "");
  return daemon;
}

}  // namespace dormouse::daemon
