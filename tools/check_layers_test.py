#!/usr/bin/env python3
"""The checker of layers, on small trees with one fault each."""
import pathlib
import tempfile
import unittest

import check_layers

TABLE = """
trunkline_module(base LAYER 0  DEPS fmt::fmt)
trunkline_module(wire LAYER 1  DEPS trunkline_base)
trunkline_module(tls  LAYER 1  DEPS trunkline_base)
trunkline_module(pool LAYER 2  DEPS trunkline_wire)
"""


class CheckLayers(unittest.TestCase):
    def problems(self, files, table=TABLE):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "CMakeLists.txt").write_text(table)
            for name, text in files.items():
                (root / name).parent.mkdir(exist_ok=True)
                (root / name).write_text(text)
            return check_layers.check(root)[2]

    def test_an_include_of_a_lower_layer_and_of_the_own_module_passes(self):
        files = {
            "wire/frame.cc": '#include "wire/frame.h"\n#include <string>\n#include "base/bytes.h"\n',
            "pool/pool.h": '#include "base/bytes.h"\n',  # linked through wire
        }
        self.assertEqual([], self.problems(files))

    def test_an_upward_include_fails(self):
        problems = self.problems({"base/text.h": '\n#include "wire/frame.h"\n'})
        self.assertEqual(1, len(problems))
        self.assertIn("base/text.h:2: base (layer 0) includes", problems[0])

    def test_a_sideways_include_fails(self):
        problems = self.problems({"wire/frame.cc": '#  include "tls/context.h"\n'})
        self.assertIn("not below", problems[0])

    def test_tests_are_held_to_the_same_rule(self):
        self.assertEqual(1, len(self.problems({"wire/a_test.cc": '#include "pool/pool.h"\n'})))

    def test_an_include_of_an_unlisted_folder_fails(self):
        problems = self.problems({"wire/frame.cc": '#include "helpers/x.h"\n'})
        self.assertIn("is of no module", problems[0])

    def test_an_unlisted_folder_fails(self):
        self.assertIn("helpers/ is not in the table", self.problems({"helpers/x.h": ""})[0])

    def test_a_short_path_fails(self):
        self.assertIn("full path", self.problems({"wire/frame.cc": '#include "frame.h"\n'})[0])

    def test_an_include_of_what_is_not_linked_fails(self):
        problems = self.problems({"pool/pool.cc": '#include "tls/context.h"\n'})
        self.assertIn("does not link trunkline_tls", problems[0])

    def test_a_link_that_goes_up_fails(self):
        table = TABLE + "trunkline_module(low LAYER 0 DEPS trunkline_pool)\n"
        self.assertIn("low links trunkline_pool", self.problems({}, table)[0])


if __name__ == "__main__":
    unittest.main()
