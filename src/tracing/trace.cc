// SPDX-License-Identifier: Apache-2.0

#include "tracing/trace.h"

namespace dormouse::tracing {

std::string_view outcome_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return "invalid_argument";
    case ErrorKind::kNotFound: return "not_found";
    case ErrorKind::kConflict: return "conflict";
    case ErrorKind::kResourceExhausted: return "resource_exhausted";
    case ErrorKind::kUnavailable: return "unavailable";
    case ErrorKind::kDeadlineExceeded: return "deadline_exceeded";
    case ErrorKind::kDataLoss: return "data_loss";
    case ErrorKind::kInternal: return "internal";
    case ErrorKind::kCancelled: return "cancelled";
    case ErrorKind::kPermissionDenied: return "permission_denied";
  }
  return kFailed;
}

Span::Span(std::shared_ptr<Operation> operation, const char* name, std::uint64_t parent, SteadyTime begin)
    : operation_(std::move(operation)), name_(name), id_(operation_->next_id()), parent_(parent), begin_(begin) {}

void Span::end(std::string_view outcome) {
  if (const auto operation = std::exchange(operation_, nullptr)) {
    operation->add({name_, outcome, id_, parent_, begin_ - operation->begin(), operation->now() - begin_});
  }
}

Trace Span::within() const { return operation_ ? Trace(operation_, id_) : Trace(); }

Trace::Trace(std::shared_ptr<Operation> operation)
    : operation_(std::move(operation)), parent_(operation_->position().span) {}

Span Trace::span(const char* name) const {
  return operation_ ? Span(operation_, name, parent_, operation_->now()) : Span();
}

Span Trace::span(const char* name, SteadyTime begin) const {
  return operation_ ? Span(operation_, name, parent_, begin) : Span();
}

void Trace::count_bytes(Direction direction, std::uint64_t bytes) const {
  if (operation_) {
    operation_->count_bytes(direction, bytes);
  }
}

void Trace::count_slow_path(const char* reason) const {
  if (operation_) {
    operation_->count_slow_path(reason);
  }
}

void Trace::first_byte() const {
  if (operation_) {
    operation_->first_byte();
  }
}

void Trace::finish(std::string_view outcome) const {
  if (operation_) {
    operation_->finish(outcome);
  }
}

TraceParent Trace::position() const {
  if (!operation_) {
    return {};
  }
  TraceParent here = operation_->position();
  here.span = parent_;
  return here;
}

}  // namespace dormouse::tracing
