"""Before any test: matplotlib keeps its font list in the project's folder, not in the user's home."""

from curves import use_project_cache

use_project_cache()
