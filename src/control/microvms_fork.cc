// SPDX-License-Identifier: Apache-2.0
//
// Forks: VMs that go on from what another one is, or was.

#include <memory>
#include <utility>

#include "base/log.h"
#include "base/uuid.h"
#include "control/image_files.h"
#include "control/image_rules.h"
#include "control/log_destinations.h"
#include "control/microvms_implementation.h"
#include "control/record_codec.h"
#include "control/service_failure.h"
#include "control/sizes.h"
#include "store/metadata_store.h"

namespace dormouse::control {

// The children's records, stored, all or none.
Answer<std::vector<Microvms::Implementation::Child>> Microvms::Implementation::new_children(
    const Microvm& source, const ForkRequest& request) {
  if (request.run_hook_payload && !source.hooks.run.enabled) {
    return refuse(ServiceErrorKind::kValidation,
                  "The run hook must be enabled in the MicroVM image to pass the run hook payload");
  }
  const auto image = images.get(source.account, source.image_arn);
  if (!image) {
    return tl::unexpected(image.error());
  }
  const auto rooms = admit_to_host(peak_size(source.memory_mib).value_or(host::MachineSize{}), request.count);
  if (!rooms) {
    return tl::unexpected(rooms.error());
  }
  std::vector<Child> children;
  store::Changes changes;
  changes.image_in = {source.image_arn, {"CREATED", "UPDATING", "UPDATED", "UPDATE_FAILED"}};
  const auto take_back = [&] {
    for (const Child& child : children) {
      live->remove(child.task->published());
    }
  };
  for (const MemoryBudget::RoomPointer& room : rooms->memory) {
    Microvm record = new_vm(source.account, source.image_arn, source.image_version);
    record.memory_mib = source.memory_mib;
    record.maximum_duration_seconds = request.maximum_duration_seconds.value_or(source.maximum_duration_seconds);
    record.execution_role_arn = source.execution_role_arn;
    record.idle_policy = request.idle_policy ? request.idle_policy : source.idle_policy;
    record.ingress_network_connectors = source.ingress_network_connectors;
    record.egress_network_connectors = source.egress_network_connectors;
    record.hooks = source.hooks;
    record.parent_microvm_id = source.microvm_id;
    if (const auto destination = child_logs(source, record)) {
      record.log_group = destination->group;
      record.log_stream = destination->stream;
    }
    const auto task = MicrovmTask::create(services_, record);
    if (const auto admitted = admit_to_account(task, record); !admitted) {
      take_back();
      return tl::unexpected(admitted.error());
    }
    changes.microvms.push_back(encode(record));
    children.push_back({task, new_job(record, *image, request.run_hook_payload, room, rooms->disk)});
  }
  if (const Status stored = world.metadata.apply(changes); !stored) {
    take_back();
    if (stored.error().kind() == ErrorKind::kConflict) {
      return nothing_active(source.image_arn, source.image_version);
    }
    return refuse_internally("store microvms", stored.error());
  }
  for (const Child& child : children) {
    open_logs(child.task->published());
    services_.changed(child.task->published());
  }
  return children;
}

Answer<std::vector<Microvm>> Microvms::Implementation::launch_from(const Microvm& source,
                                                                   const std::shared_ptr<const SavedState>& checkpoint,
                                                                   const ForkRequest& request) {
  auto children = new_children(source, request);
  if (!children) {
    return tl::unexpected(children.error());
  }
  std::vector<Microvm> records;
  for (Child& child : *children) {
    records.push_back(child.task->published());
    child.job.request.checkpoint = checkpoint->directory();
    child.job.saved_state = checkpoint;
    child.task->launch(std::move(child.job));
  }
  return records;
}

Answer<std::vector<Microvm>> Microvms::Implementation::fork_microvm(const std::string& account,
                                                                    const std::string& microvm_id,
                                                                    const ForkRequest& request) {
  const auto source = find(account, microvm_id);
  if (!source) {
    return tl::unexpected(source.error());
  }
  const auto task = live->find(microvm_id);
  if (!task) {
    return refuse_ended(microvm_id);
  }
  if (const auto forkable = task->check_copyable(); !forkable) {
    return tl::unexpected(forkable.error());
  }
  auto children = new_children(*source, request);
  if (!children) {
    return tl::unexpected(children.error());
  }
  std::vector<Microvm> records;
  for (const Child& child : *children) {
    records.push_back(child.task->published());
  }
  const auto abandon = [](const std::vector<Child>& given_up) {
    for (const Child& child : given_up) {
      child.task->abandon(
          {"The MicroVM's parent could not be saved, so that there is nothing to go on from.", "FORK_FAILED"});
    }
  };
  const std::filesystem::path directory = checkpoints_directory(world.data_directory) / ("fork-" + make_uuid());
  auto launch =
      [&host = world.host, directory, abandon, planned = *children](const Result<host::CheckpointResult>& saved) {
        if (!saved) {
          abandon(planned);
          return;
        }
        // Removed when the last child has been launched.
        const auto state = std::make_shared<const SavedState>(directory, [&host, directory] {
          if (const Status removed = host.remove_checkpoint(directory); !removed) {
            log::error("a fork's files could not be removed", {{"error", removed.error().message()}});
          }
        });
        for (const Child& child : planned) {
          LaunchJob job = child.job;
          job.request.checkpoint = directory;
          job.saved_state = state;
          child.task->launch(std::move(job));
        }
      };
  host::CheckpointRequest wanted;
  wanted.microvm_id = microvm_id;
  wanted.destination = directory;
  wanted.durable = false;
  if (const auto accepted = task->save(std::move(wanted), std::move(launch)); !accepted) {
    abandon(*children);  // it ended since it was looked at
    return tl::unexpected(accepted.error());
  }
  return records;
}

Answer<std::vector<Microvm>> Microvms::fork_microvm(const std::string& account,
                                                    const std::string& microvm_id,
                                                    const ForkRequest& request) {
  return implementation_->fork_microvm(account, microvm_id, request);
}

Answer<std::vector<Microvm>> Microvms::launch_from(const Microvm& source,
                                                   const std::shared_ptr<const SavedState>& checkpoint,
                                                   const ForkRequest& request) {
  return implementation_->launch_from(source, checkpoint, request);
}

Answer<void> Microvms::save(host::CheckpointRequest request,
                            std::function<void(const Result<host::CheckpointResult>&)> done) {
  const auto task = implementation_->task_of(request.microvm_id);
  return task ? task->save(std::move(request), std::move(done)) : refuse_ended(request.microvm_id);
}

Answer<void> Microvms::rollback(const std::string& microvm_id,
                                std::shared_ptr<const SavedState> checkpoint,
                                std::function<void(const Status&)> done) {
  const auto task = implementation_->task_of(microvm_id);
  return task ? task->rollback(std::move(checkpoint), std::move(done)) : refuse_ended(microvm_id);
}

}  // namespace dormouse::control
