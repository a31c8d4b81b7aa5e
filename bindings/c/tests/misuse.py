"""Writes the calls of misuse.c: every function of the header, with every argument wrong in every way that can be told.

    misuse.py <sealock.h> <libsealock.so> > misuse_calls.h

Fails if header and library do not have the same functions, so that none is left out.
"""

import re
import subprocess
import sys

# Arguments that may be NULL, beside `error`.
NULLABLE = {"watch", "options", "progress", "user", "receiver", "cancel", "folder"}
# Texts that have to be something for the other arguments to be looked at.
TEXTS = {
    "cap": '"1"',
    "amount": '"1"',
    "min": '"0"',
    "max": '"1"',
    "value": '"1"',
    "epsilon": '"1"',
    "per_job": '"1"',
    "most": '"1"',
    "per_release": '"0.001"',
    "low": '"0"',
    "high": '"1"',
    "sql": '"count(*)"',
    "cid": '"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"',
}
# Numbers that have to be something.
NUMBERS = {"op": "SEALOCK_OP_EQ", "aggregation": "SEALOCK_AGGREGATION_COUNT", "level": "SEALOCK_LOG_OFF"}
SIZES = {
    "nft": 20,
    "address": 20,
    "token": 20,
    "to": 20,
    "holder": 20,
    "owner": 20,
    "executor": 20,
    "base_token": 20,
    "job": 32,
    "transaction": 32,
    "digest": 32,
    "secret": 32,
    "commitment": 32,
    "leaf": 32,
    "message": 32,
    "scope": 32,
    "signal": 32,
}
# The same of lists, which may have others.
LIST_SIZES = {"recipients": 64, "executors": 40, "leaves": 64, "siblings": 64, "inputs": 64}
# Of these, each 32 bytes are a field element.
SCALARS = {"commitment", "leaf", "scope", "leaves", "siblings", "inputs"}
# Sizes of outputs, by the function that puts them out.
OUTPUTS = {
    "sealock_semaphore_identity_public_key": 64,
    "sealock_access_statement_to_bytes": 137,
    "sealock_access_proof_to_bytes": 129,
}
# Elements of lists that are put out, where it is not one.
COUNTS = {"sealock_product_decrypt_wide": "2"}
# Outputs that may have any size.
ANY_SIZE = {"buffer"}
EXTREMES = {
    "int32_t": ["INT32_MIN", "-1", "INT32_MAX"],
    "int64_t": ["INT64_MIN", "-1", "INT64_MAX"],
    "uint32_t": ["UINT32_MAX"],
    "uint64_t": ["UINT64_MAX"],
    "uint8_t": ["UINT8_MAX"],
    "size_t": ["SIZE_MAX"],
    "double": ["NAN", "INFINITY", "-1e308"],
    "sealock_status": ["INT32_MIN", "-1", "INT32_MAX"],
}
# Handles that only work too long for Valgrind makes. They are NULL here, and freed ones are in the test that has them.
ABSENT = {"sealock_parts"}  # sealed.c
GARBAGE = [
    "(void *)1",
    "(void *)0xdeadbeef",
    "(void *)&on_stack",
    "(void *)UINTPTR_MAX",
    "(void *)(UINTPTR_MAX / 2 + 2)",
]


def functions(header):
    """The functions of the header: name, returned type, [(type, argument)]."""
    text = re.sub(r"//[^\n]*", "", header[header.index("// Every type of handle") :])
    found = {}
    for returned, name, arguments in re.findall(r"^([\w ]+\*?)\s*\b(sealock_\w+)\(([^;]*)\);", text, re.M):
        if returned.startswith("typedef"):
            continue
        parts = [] if arguments == "void" else [" ".join(part.split()) for part in arguments.split(",")]
        found[name] = (returned.strip(), [re.match(r"(.*?)(\w+)$", part).groups() for part in parts])
    return found


class Function:
    def __init__(self, name, returned, arguments):
        self.name, self.returned = name, returned
        self.arguments = [(kind.strip(), argument) for kind, argument in arguments]
        self.has_error = any(argument == "error" and kind.endswith("**") for kind, argument in self.arguments)
        self.cases = []

    def handle(self, kind):
        match = re.fullmatch(r"(?:const )?(sealock_\w+) \*", kind)
        return match.group(1) if match and match.group(1) in HANDLES else None

    def size(self, argument):
        """Bytes of an output, by what it is."""
        if argument == "base_token":
            return 20
        if self.name in OUTPUTS:
            return OUTPUTS[self.name]
        for ending, size in (
            ("from_text", 32),
            ("digest", 32),
            ("job", 32),
            ("secret", 32),
            ("public", 32),
            ("dataset", 32),
            ("integer", 32),
            ("decimal", 32),
            ("hash", 32),
            ("poseidon", 32),
            ("commitment", 32),
            ("nullifier", 32),
            ("leaf", 32),
            ("root", 32),
        ):
            if self.name.endswith(ending):
                return 20 if "address" in self.name else size
        return 20

    def valid(self, index):
        """A good value of an argument."""
        kind, argument = self.arguments[index]
        previous = self.arguments[index - 1] if index else ("", "")
        if argument == "error":
            return "&error"
        if self.handle(kind):
            return f"valid_{self.handle(kind)}"
        if kind.endswith("**"):
            return f"({kind})&outs.handle[{index % 4}]"
        if kind == "const char *":
            return TEXTS.get(argument, '"text"')
        if kind == "const char *const *":
            return '(const char *const[]){"1"}'
        if kind == "const uint8_t *const *":
            return "(const uint8_t *const[]){some_bytes}"
        if kind == "const size_t *":
            return "(const size_t[]){1}"
        if kind.endswith("*const *"):
            return f"(const {kind.split()[1]} *const[]){{valid_{kind.split()[1]}}}"
        if kind == "const uint8_t *":
            return "some_scalars" if argument in SCALARS else "some_bytes"
        if (
            kind in ("uint8_t *", "char *")
            and index + 1 < len(self.arguments)
            and self.arguments[index + 1][1] in (argument + "_length", argument + "_size")
        ):
            return f"({kind})outs.bytes"
        if kind == "size_t":
            if previous[0] == "uint8_t *":
                return str(self.size(previous[1]))
            if previous[0] == "char *":
                return "sizeof outs.bytes"
            if previous[0] == "const uint8_t *":
                return str((SIZES | LIST_SIZES).get(previous[1], 8))
            return COUNTS.get(self.name, "1") if argument.endswith("count") else "0"
        if kind in EXTREMES:
            return NUMBERS.get(argument, "0")
        if kind.startswith("struct Arrow"):
            return "&outs.stream" if argument == "out" else f"new_{kind.split()[1]}()"
        if argument in NULLABLE:
            return "NULL"
        if kind.startswith(("sealock_", "const sealock_")) and kind.endswith(" *") and "status" not in kind:
            return f"sized_{kind.removeprefix('const ').removesuffix(' *')}()"
        if kind.endswith("*"):
            return f"({kind})&outs.number[{index % 4}]"
        raise SystemExit(f"{self.name}: no value for {kind} {argument}")

    def case(self, index, value, says):
        """One argument wrong. `says` is what the message has to name."""
        values = [value if i == index else self.valid(i) for i in range(len(self.arguments))]
        shown = f"{self.name}({self.arguments[index][1]} = {value})".replace("\\", "\\\\").replace('"', '\\"')
        call = f"{self.name}({', '.join(values)})"
        # The handles put out have to be NULL then.
        outs = sum(
            1 << i % 4
            for i, (kind, argument) in enumerate(self.arguments)
            if kind.endswith("**") and argument != "error" and i != index
        )
        if self.has_error:
            self.cases.append(f'    WRONG("{shown}", "{says}", {outs}, {call});')
        elif self.returned == "sealock_status":
            self.cases.append(f'    check({call} == SEALOCK_ERROR_INVALID_ARGUMENT, "{shown}", __FILE__, __LINE__);')
        else:
            none = "NULL" if self.returned.endswith("*") else "0"
            self.cases.append(f'    check({call} == {none}, "{shown}", __FILE__, __LINE__);')

    def harmless(self, index, value):
        """A value that may be accepted or not, and must do no harm."""
        values = [value if i == index else self.valid(i) for i in range(len(self.arguments))]
        frees = [
            f"{kind[:-3]}_free(outs.handle[{i % 4}]);"
            for i, (kind, argument) in enumerate(self.arguments)
            if kind.endswith("**") and argument != "error"
        ]
        frees += ["release_out();"] if any(kind.startswith("struct Arrow") for kind, _ in self.arguments) else []
        self.cases.append(f"    HARMLESS({self.name}({', '.join(values)}), {' '.join(frees) or '(void)0'});")

    def all_cases(self):
        free = self.name.endswith("_free")
        for index, (kind, argument) in enumerate(self.arguments):
            handle = self.handle(kind)
            if argument == "error" and kind.endswith("**"):
                continue
            if handle:
                if not free:
                    self.case(index, "NULL", f"{handle} handle, got NULL")
                for garbage in GARBAGE + [f"((void *)((uintptr_t)valid_{handle} ^ 8))"]:
                    self.case(index, garbage, f"{handle} handle, got something that is no handle")
                other = "sealock_column" if handle != "sealock_column" else "sealock_buffer"
                self.case(index, f"(void *)valid_{other}", f"{handle} handle, got a {other} handle")
            elif kind in ("const char *",) and argument not in NULLABLE:
                self.case(index, "NULL", f"argument {argument}")
                self.case(index, '"\\xff\\xfe"', f"argument {argument}: expected UTF-8")
                self.case(index, "(const char *)1", f"argument {argument}")
            elif kind == "const char *const *":
                self.case(index, "NULL", f"argument {argument}")
                self.case(index, "(const char *const[]){NULL}", f"argument {argument}[0]")
                self.case(index, '(const char *const[]){"\\xc3("}', f"argument {argument}[0]: expected UTF-8")
                self.case(index, "(const char *const *)9", f"argument {argument}")
            elif kind == "const uint8_t *const *":
                self.case(index, "NULL", f"argument {argument}")
                self.case(index, "(const uint8_t *const[]){NULL}", f"argument {argument}[0]")
                self.case(index, "(const uint8_t *const *)9", f"argument {argument}")
            elif kind.endswith("*const *"):
                self.case(index, "NULL", f"argument {argument}")
                element = kind.split()[1]
                self.case(index, f"(const {element} *const[]){{(void *)1}}", f"{element} handle, got something")
            elif kind == "const uint8_t *":
                self.case(index, "NULL", f"argument {argument}")
                self.case(index, "(const uint8_t *)1", f"argument {argument}")
                if argument in SIZES:
                    for size in (0, SIZES[argument] - 1, SIZES[argument] + 1, "SIZE_MAX"):
                        self.case(index + 1, str(size), f"argument {argument}_length: expected {SIZES[argument]}")
                else:
                    self.case(index + 1, "SIZE_MAX", f"argument {argument}")
                    self.harmless(index + 1, "0")
                    self.harmless(index + 1, "sizeof some_bytes")
                if argument in SCALARS and "semaphore" not in self.name:
                    self.case(index, "no_scalars", "expected an integer below the order of BN254, got a larger one")
            elif kind in ("uint8_t *", "char *") and self.arguments[index + 1][0] == "size_t":
                self.case(index, "NULL", f"argument {argument}")
                if argument in ANY_SIZE:
                    self.case(index, "(uint8_t *)1", f"argument {argument}")
                    self.case(index + 1, "SIZE_MAX", f"argument {argument}")
                    self.harmless(index + 1, "0")
                    self.harmless(index + 1, "sizeof outs.bytes")
                for size in ("0", "19") if argument not in ANY_SIZE else ():
                    self.case(index + 1, size, f"argument {self.arguments[index + 1][1]}: expected")
            elif kind in EXTREMES:
                previous = self.arguments[index - 1][0] if index else ""
                if kind != "size_t" or not previous.endswith("*") or argument in ("index", "row", "vector", "score"):
                    for extreme in EXTREMES[kind]:
                        self.harmless(index, extreme)
                elif argument.endswith("count"):
                    self.case(index, "SIZE_MAX", "argument")
            elif kind.startswith("struct Arrow"):
                self.case(index, "NULL", f"argument {argument}")
                if argument != "out":
                    self.case(index, f"released_{kind.split()[1]}()", "released")
            elif kind.startswith(("sealock_", "const sealock_")) and kind.endswith(" *") and "status" not in kind:
                if argument not in NULLABLE:
                    self.case(index, "NULL", f"argument {argument}")
                wrong = kind.removeprefix("const ").removesuffix(" *")
                self.case(index, f"wrong_{wrong}()", f"argument {argument}->struct_size")
            elif argument not in NULLABLE and self.name != "sealock_wipe":
                self.case(index, "NULL", f"argument {argument}")
                self.case(index, f"({kind})1", f"argument {argument}")
        if self.has_error:
            # Refused before anything is taken over.
            values = [re.sub("^new_", "released_", self.valid(i)) for i in range(len(self.arguments))]
            values[-1] = "(sealock_error **)1"
            self.cases.append(
                f"    check({self.name}({', '.join(values)}) == SEALOCK_ERROR_INVALID_ARGUMENT, "
                f'"{self.name}(error = 1)", __FILE__, __LINE__);'
            )
        return self.cases


def main():
    header, library = open(sys.argv[1], encoding="utf-8").read(), sys.argv[2]
    declared = functions(header)
    listed = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    exported = {line.split()[-1] for line in listed.splitlines()}
    if exported != set(declared):
        sys.exit(f"header and library differ in {sorted(exported ^ set(declared))}")
    HANDLES.update(re.findall(r"^typedef struct (sealock_\w+) \1;", header, re.M))

    for handle in sorted(HANDLES):
        print(f"static {handle} *valid_{handle};")
    calls = [Function(name, *rest) for name, rest in declared.items()]
    for function in calls:
        cases = function.all_cases()
        print(f"\nstatic void misuse_{function.name}(void) {{\n    int on_stack = 0;\n    (void)on_stack;")
        print("\n".join(cases) + "\n}")
    print("\nstatic void misuse_all(void) {")
    print("\n".join(f"    misuse_{function.name}();" for function in calls) + "\n}")

    print("\nstatic void free_all(void) {")
    for handle in sorted(HANDLES):
        print(f'    check({handle}_free(valid_{handle}) == SEALOCK_OK, "{handle}_free", __FILE__, __LINE__);')
    print("}\n\n// After free_all: every handle is one that was freed.\nstatic void misuse_freed(void) {")
    for function in calls:
        function.cases = []
        for index, (kind, argument) in enumerate(function.arguments):
            if function.handle(kind) and function.handle(kind) not in ABSENT:
                function.case(index, f"valid_{function.handle(kind)}", "handle, got one that was freed")
        print("\n".join(function.cases))
    print("}")


HANDLES = set()
main()
