# SPDX-License-Identifier: Apache-2.0
"""Build contexts as zip files."""

import io
import pathlib
import zipfile


def zip_directory(directory):
    """All files under `directory` as a zip in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(pathlib.Path(directory).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(directory))
    return buffer.getvalue()
