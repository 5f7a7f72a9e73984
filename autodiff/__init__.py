from autodiff import _core
