// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>

#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace dormouse::cli {

// A command that does `run` with options of its own when it is named. `given` becomes these, for what is declared of them on the
// answer; they live as long as the command.
template <typename Options>
CLI::App* add_command(CLI::App& parent,
                      Invocation& invocation,
                      const char* verb,
                      const char* about,
                      Status (*run)(const Options&, const Invocation&),
                      Options*& given) {
  CLI::App* const command = parent.add_subcommand(verb, about);
  const auto options = std::make_shared<Options>();
  given = options.get();
  command->callback([options, run, &invocation] {
    invocation.action = [options, run, &invocation] { return run(*options, invocation); };
  });
  return command;
}

}  // namespace dormouse::cli
