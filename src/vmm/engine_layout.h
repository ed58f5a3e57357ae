// SPDX-License-Identifier: Apache-2.0

#pragma once

namespace dormouse::vmm {

// What lies where in an engine's directory (docs/formats/engine.md).
inline constexpr char kEngineLoader[] = "bin/qemu-loader";  // the dynamic loader: what is executed
inline constexpr char kEngineQemu[] = "bin/qemu";
inline constexpr char kEngineLibraries[] = "lib";
inline constexpr char kEngineShim[] = "lib/libdormouse-template-shim.so";
inline constexpr char kEngineModules[] = "modules";
inline constexpr char kEngineFirmware[] = "firmware/bios-microvm.bin";

// The firmware by its name in QEMU's own directories.
inline constexpr char kFirmwareName[] = "bios-microvm.bin";

}  // namespace dormouse::vmm
