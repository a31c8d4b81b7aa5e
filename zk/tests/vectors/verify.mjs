// Verifies the proof in v1.json with snarkjs, an implementation that shares no code with this crate.
//
//   npm install snarkjs@0.7.5
//   node verify.mjs v1.json
import { readFileSync } from "node:fs"
import { groth16, curves } from "snarkjs"

const curve = await curves.getCurveFromName("bn128", { singleThread: true })
const { F1, F2, G1, G2 } = curve

// arkworks' compressed points: x little-endian, bit 7 of the last byte says that y is the larger of the two roots.
function integer(bytes) {
    return BigInt("0x" + Buffer.from(bytes).reverse().toString("hex"))
}
// Elements of the quadratic extension are ordered by their second coordinate first.
function larger(a, b) {
    const differs = a.findLastIndex((c, i) => c !== b[i])
    return a[differs] > b[differs]
}
function point(F, G, bytes) {
    const plain = Buffer.from(bytes)
    const wantsLarger = (plain[plain.length - 1] & 0x80) !== 0
    plain[plain.length - 1] &= 0x3f
    const coordinates = [plain.subarray(0, 32), plain.subarray(32)].filter((c) => c.length > 0).map(integer)
    const x = F.fromObject(coordinates.length === 1 ? coordinates[0] : coordinates)
    let y = F.sqrt(F.add(F.mul(F.square(x), x), G.b))
    if (y === null) throw new Error("no such point")
    const list = (e) => [F.toObject(e)].flat()
    if (larger(list(y), list(F.neg(y))) !== wantsLarger) y = F.neg(y)
    const text = (e) => list(e).map(String)
    return [text(x), text(y), ["1", "0"].slice(0, text(x).length)].map((c) => (c.length === 1 ? c[0] : c))
}

const file = JSON.parse(readFileSync(process.argv[2]))
function reader(name, skip) {
    const bytes = Buffer.from(file[name], "hex")
    let at = skip
    const take = (n) => bytes.subarray(at, (at += n))
    return { g1: () => point(F1, G1, take(32)), g2: () => point(F2, G2, take(64)), take }
}
const k = reader("verifying_key", 2)
const key = {
    protocol: "groth16", curve: "bn128", nPublic: 5,
    vk_alpha_1: k.g1(), vk_beta_2: k.g2(), vk_gamma_2: k.g2(), vk_delta_2: k.g2(),
    IC: Array.from({ length: 6 }, () => k.g1()),
}
const p = reader("proof", 1)
const proof = { protocol: "groth16", curve: "bn128", pi_a: p.g1(), pi_b: p.g2(), pi_c: p.g1() }
const s = reader("statement", 1)
const inputs = [32, 32, 32, 32, 8].map((n) => BigInt("0x" + s.take(n).toString("hex")).toString())

const accepted = await groth16.verify(key, inputs, proof)
inputs[2] = "1"
const acceptedForAnotherMessage = await groth16.verify(key, inputs, proof)
console.log({ accepted, acceptedForAnotherMessage })
process.exit(accepted && !acceptedForAnotherMessage ? 0 : 1)
