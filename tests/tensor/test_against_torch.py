"""Where PyTorch has the same words they mean the same: values, gradients, errors, repr.

Each case is an expression in `m`, the module, and named operands. It runs in both: the
values, the gradients of a weighted sum and the gradients of those agree, or both raise,
ours a subclass of PyTorch's exception. What differs on purpose is not listed: ours
takes NumPy's words too (axis, keepdims, sums over None), refuses what is not a number
with TypeError, and has finite derivatives of norms at 0. Eigenvectors and singular
vectors are squared here: LAPACKs differ in their signs.
"""

import warnings

import numpy as np
import pytest

import autodiff as ad

torch = pytest.importorskip("torch")

# Sums in another order, and a few roundings of elementary functions.
TOLERANCE = {"rtol": 1e-11, "atol": 1e-12}

OPERANDS = {
    "s": np.array(0.7),
    "one": np.array([1.3]),
    "v": np.array([0.5, -1.25, 2.0, 0.75]),
    "w": np.array([-0.3, 0.8, 1.5, -2.5]),
    "A": np.array([[0.2, 1.5, -0.7], [2.1, -0.4, 0.9]]),
    "B": np.array([[1.2, -0.6], [0.3, 0.8], [-1.1, 2.2]]),
    "C": np.array([[0.9, -0.2, 0.4], [1.7, 0.6, -1.3], [0.1, 2.4, -0.8]]),
    "U": np.linspace(-1.3, 2.1, 24).reshape(2, 3, 4) ** 3 + 0.1,
    "P": np.array([[0.2, 0.9, 0.4], [0.6, 0.3, 0.75]]),
    "Z": np.array([[0.0, 2.0, 3.0], [1.5, 0.0, 0.0], [0.5, 2.0, -1.0]]),
    "E": np.zeros((0, 3)),
    "e": np.zeros(0),
    "K": np.array([[1.0, 2.0, 2.0], [3.0, 3.0, -1.0]]),
}

CASES = """
m.reshape(U, (6, 4)); m.reshape(U, (-1,)); U.reshape(4, -1); U.reshape((4, 6));
U.view(24); U.view(-1, 2); s.reshape(1, 1); s.view(-1); one.reshape(()); E.reshape(3,
0); m.reshape(input=U, shape=(8, 3)); U.reshape(5, 5); U.reshape(-1, -1); U.reshape(-1,
5); E.reshape(0, -1); E.reshape(-1); e.view(0, 5); m.flatten(U); U.flatten(1);
U.flatten(0, 1); U.flatten(start_dim=1, end_dim=2); s.flatten(); U.flatten(2, 1);
U.flatten(0, 5); m.ravel(U); s.ravel(); E.flatten(); U.flatten(-2, -1); m.unflatten(v,
0, (2, 2)); v.unflatten(0, (2, -1)); m.squeeze(U); m.squeeze(one); one.squeeze(0);
U.squeeze(0); s.squeeze(); s.squeeze(0); U.unsqueeze(0).squeeze(dim=0); U.squeeze(3);
U.unsqueeze(0).unsqueeze(-1).squeeze((0, -1)); m.unsqueeze(s, 0); U.unsqueeze(-1);
U.unsqueeze(1); U.unsqueeze(dim=3); U.unsqueeze(4); U.unsqueeze(-4); U.unsqueeze(-5);
E.unsqueeze(1); one.expand(3); one.expand(2, 3); one.expand(2, -1); s.expand(2, 2);
A.expand(4, 2, 3); A.expand(2, 2); A.expand(-1, 2, 3); A.expand((4, -1, -1));
A.expand(3); one.expand(0); m.broadcast_to(one, (2, 3)); m.broadcast_to(A, (3, 3));
A.expand_as(U[:, :, :3].permute(1, 0, 2)); m.permute(U, (2, 0, 1)); U.permute(1, 0, 2);
U.permute(-1, 0, 1); U.permute(0, 1); U.permute(0, 0, 1); U.permute(0, 1, 5);
m.permute(U, dims=(2, 1, 0)); s.permute(()); E.permute(1, 0); m.transpose(U, 0, 2);
U.transpose(-1, 0); A.T; A.t(); m.t(A); s.t(); v.t(); U.t(); s.T; v.T; U.mT;
U.transpose(0, 3); U.transpose(dim0=0, dim1=1); m.swapaxes(U, 0, 1); m.swapdims(U, 0,
1); m.transpose(s, 0, 0); m.transpose(s, 0, 1); A.mT; m.swapaxes(U, axis0=1, axis1=2);
m.movedim(U, 0, 2); m.movedim(U, (0, 1), (2, 0)); U.movedim(-1, 0); U.movedim(0, 7);
m.moveaxis(U, 0, 1); U.movedim((0, 0), (1, 2)); U.movedim((0, 1), (1,)); m.flip(U,
(0,)); m.flip(U, (0, 2)); U.flip(0); U.flip(-1, 0); U.flip(0, 0); U.flip(9); m.flip(U,
dims=(1,)); E.flip(0); m.roll(v, 1); m.roll(A, 1, 0); m.roll(A, (1, 2), (0, 1));
A.roll(-1); A.roll(1, -1); m.roll(A, shifts=2, dims=1); A.roll(5, 1); e.roll(1);
E.roll(1, 0); A.roll(1, 2); s.roll(1); v.repeat(2); v.repeat(2, 2); A.repeat(1, 2);
A.repeat(2); A.repeat((2, 1, 3)); s.repeat(3); v.repeat(0); s.repeat(2, 2);
v.repeat(-1); m.tile(A, (2,)); m.tile(A, (2, 1, 2)); v.tile(3); s.tile(2); A.tile((2,
2)); m.tile(v, dims=(2, 2)); m.repeat_interleave(v, 2); A.repeat_interleave(2, 0);
A.repeat_interleave(2, dim=1); A.repeat_interleave(3, -1); A.repeat_interleave(2, 2);
m.cat([A, A]); m.cat((A, C)); m.cat([A, A], 1); m.cat([A, A], dim=-1); m.concat([A, C],
dim=0); m.cat([A, B]); m.cat([]); m.cat([s, s]); m.cat([A, v]); m.cat([e, A]); m.cat([E,
A]); m.cat([A, A], 2); m.cat([v]); m.cat(tensors=[A, C], dim=0); m.concatenate([A, C],
axis=0); m.cat([v, v], -2); m.cat([A, U]); m.stack([v, w]); m.stack([v, w], 1);
m.stack([v, w], dim=-1); m.stack([s, s]); m.stack([v, A]); m.stack([]); m.stack([v, w],
2); m.stack([v, w], -3); m.stack([E, E]); m.stack([A, A], -2); m.hstack([v, w]);
m.hstack([A, A]); m.vstack([v, w]); m.vstack([A, C]); m.hstack([s, s]); m.vstack([s,
s]); m.hstack([A, v]); m.split(U, 2, 2); U.split(2, dim=1); m.split(v, [1, 3]);
m.split(v, [1, 1]); v.split(3); v.split(0); v.split(9); v.split(-1); U.split([1, 2],
-2); s.split(1); e.split(2); m.split(v, 2, dim=1); v.split(split_size=2); m.chunk(v, 2);
m.chunk(v, 3); v.chunk(5); U.chunk(2, -1); v.chunk(0); m.chunk(U, chunks=2, dim=1);
e.chunk(2); m.unbind(A); A.unbind(1); A.unbind(dim=-1); s.unbind(); A.unbind(2);
E.unbind(0); E.unbind(1); m.narrow(v, 0, 1, 2); A.narrow(1, -2, 2); A.narrow(1, 2, 2);
A.narrow(0, 0, -1); A.narrow(2, 0, 1); A.narrow(1, 3, 0); A.select(0, 1); m.select(A, 1,
-1); A.select(0, 5); A.select(3, 0); A.select(dim=1, index=0); m.gather(A, 1, I);
A.gather(0, I0); A.gather(dim=1, index=I); m.gather(A, 0, i); A.gather(2, I); m.take(A,
i); A.take(I); A.take(i + 99); A.take(index=i); A.take(-i - 1); s.take(i * 0);
s.take(i); m.index_select(A, 1, i); A.index_select(0, i * 0); A.index_select(dim=1,
index=i); A.index_select(0, i + 9); A.index_select(1, I); A.index_select(4, i);
m.take_along_dim(A, I, 1); m.take_along_dim(A, I); A.take_along_dim(I, dim=1);
A.take_along_dim(I[:1], 1); m.diag(v); m.diag(v, 1); m.diag(v, -2); m.diag(C); m.diag(A,
1); m.diag(A, -1); m.diag(s); m.diag(U); m.diag(v, diagonal=1); m.diag(e); m.diag(C, 5);
m.diag(C, -5); m.diag(C, 3); m.diagonal(U); U.diagonal(1); U.diagonal(0, 1, 2);
U.diagonal(dim1=0, dim2=2); U.diagonal(offset=-1, dim1=1, dim2=2); v.diagonal();
U.diagonal(0, 0, 0); m.trace(C); C.trace(); m.trace(U); m.trace(A); m.triu(C);
m.tril(C); m.triu(A, 1); m.tril(A, -1); U.triu(); C.tril(diagonal=1); v.triu();
s.tril(); E.triu(); C.triu(-5); C.triu(5); U[0, 1]; U[0][1][2]; U[-1, -1, -1]; U[:, 1];
U[..., 0]; U[0, ..., 1]; U[:, None]; U[None]; U[1:, ::2, 1:3]; U[5]; U[0, 0, 0, 0]; U[0,
-9]; s[()]; s[None]; s[...]; s[0]; v[1:1]; v[-3:-1]; v[5:]; v[i]; v[[0, 2]]; v[[True,
False, True, False]]; A[i * 0, i]; A[:, i]; A[i * 0]; A[[0, 1], [2, 0]]; A[[0, 1, 1]];
A[I]; U[:, i, :]; U[0, :, i]; U[i * 0, :, i]; v[i + 9]; v[[]]; A[:, []]; v[True];
v[False]; s[True]; s[None, False]; A[True]; A[None, True, 0]; A[[True, False]]; A[[True,
False, True]]; A[1.0]; A[{}]; v[v > 0]; v[v > 99]; A[..., A[0] > 0]; A[0:1, [0, 0]];
E[0:0]; E[:, 1]; U[[0, 1], :, [1, 2]]; U[[0, 1], [1, 2]]; U[[[0], [1]], [[1, 2]]]; U[[0,
1], None, [1, 2]]; U[None, [0, 1]]; v[None, None]; A[(0, 1)]; A[(0,)]; v[slice(1, 3)];
v[m.tensor(1)]; A[m.tensor(1), m.tensor(0)]; v[m.tensor([1, 2])]; m.sum(A); m.sum(A, 0);
A.sum(1, True); A.sum(dim=-1, keepdim=True); A.sum((0, 1)); A.sum([0]); A.sum(());
s.sum(); s.sum(0); s.sum(-1); A.sum(2); A.sum((0, 0)); m.sum(input=A, dim=0); E.sum();
E.sum(0); E.sum(1); A.sum(axis=0); A.sum(None); A.sum(dim=None, keepdim=True);
A.sum(-3); s.sum(1); U.sum((0, -1)); U.sum((-1, 2)); m.sum(A, dim=1, keepdim=False);
A.sum("x"); A.sum(1.5); m.mean(A); A.mean(0); A.mean(1, True); A.mean((0, 1),
keepdim=True); E.mean(); E.mean(0); E.mean(1); s.mean(); s.mean(0); A.mean(5);
A.mean(()); m.mean(input=A, dim=1); m.prod(A); A.prod(0); A.prod(1, True); Z.prod();
Z.prod(0); Z.prod(1); E.prod(); E.prod(0); s.prod(); s.prod(0); A.prod(3); m.prod(A,
dim=1, keepdim=True); E.prod(1); one.prod(); m.prod(input=A, dim=0); m.max(A); m.min(A);
m.max(K); m.min(K); A.max(0); A.min(1, True); A.max(dim=1); A.max(1).values;
A.max(1)[0]; s.max(); s.max(0); m.max(v, w); m.min(v, w); E.max(); E.max(1); E.max(0);
e.min(); A.max(3); m.max(input=A, dim=1, keepdim=True); m.max(v, other=w); m.max(K, 1);
m.min(K, 0); N.max(); N.max(1); A.max((0, 1)); v.max(w); m.amax(K); m.amax(K, 1);
K.amin((0, 1)); K.amax(-1, True); E.amax(0); E.amax(1); K.amax(()); s.amax();
K.amax(dim=(0,)); K.amax((0, 0)); m.argmax(A); A.argmax(1); A.argmin(0); A.argmin(1,
True); A.argmax(dim=-1, keepdim=True); s.argmax(); E.argmax(); E.argmax(0); E.argmax(1);
K.argmax(); K.argmin(1); A.argmax(4); N.argmax(); N.argmin(1); s.argmax(0);
A.argmax(keepdim=True); m.any(A); m.all(A); A.any(0); A.all(1, True); Z.all(); Z.all(0);
Z.any(dim=1); E.any(); E.all(); E.all(0); s.all(); A.any(4); s.any(0); Z.all((0, 1));
m.var(A); A.var(0); A.var(1, keepdim=True); A.var(1, correction=0); A.var(1,
unbiased=False); m.var(A, 1, False); A.var(False); m.std(A); A.std(0); A.std(1,
unbiased=False); A.std(dim=1, correction=0, keepdim=True); A.var((0, 1)); A.std(False);
A.var(0, True); A.var(0, False, True); m.var(A, dim=(0, 1), unbiased=True); A.var(5);
A.std(1, True, True); m.norm(A); A.norm(); A.norm(1); A.norm(2, 0); A.norm(p=1, dim=1);
A.norm(p=3, dim=0, keepdim=True); A.norm(float("inf")); A.norm(float("-inf"), 1);
A.norm("fro"); A.norm(p=2, dim=(0, 1)); v.norm(2.5); A.norm(0); A.norm(0.5, 1);
s.norm(); m.norm(A, dim=1); A.norm(2, 1, True); E.norm(); E.norm(2, 0); A.norm(-1, 0);
v.norm(-2); m.norm(A * 0, 1); (A - A.detach()).norm(3); (A * 0).norm(float("inf"));
m.norm(A, 2, 1); A.norm(dim=4); K.norm(float("inf"), 1); m.logsumexp(A, 0);
A.logsumexp(1, True); A.logsumexp((0, 1)); m.logsumexp(A, dim=-1, keepdim=True);
s.logsumexp(0); E.logsumexp(0); E.logsumexp(1); m.logsumexp(A * 1000, 1);
A.logsumexp(3); m.logsumexp(input=A, dim=0); m.softmax(A, 0); A.softmax(1);
A.softmax(dim=-1); s.softmax(0); E.softmax(0); E.softmax(1); m.softmax(A * 1000, 1);
A.softmax(2); m.softmax(input=A, dim=1); m.log_softmax(A, 0); A.log_softmax(1);
A.log_softmax(dim=-1); s.log_softmax(0); E.log_softmax(1); m.log_softmax(A * 1000, 1);
A.log_softmax(2); m.cumsum(A, 0); A.cumsum(1); A.cumsum(dim=-1); s.cumsum(0);
E.cumsum(0); E.cumsum(1); A.cumsum(2); m.cumsum(input=A, dim=1); m.cumprod(A, 0);
A.cumprod(1); A.cumprod(dim=-1); Z.cumprod(0); Z.cumprod(1); s.cumprod(0); E.cumprod(0);
A.cumprod(2); m.sort(v); m.sort(A, 0); A.sort(1, descending=True);
A.sort(dim=-1).values; s.sort(); E.sort(); E.sort(0); m.sort(A, dim=1,
descending=True)[0]; A.sort(2); m.sort(K, stable=True); A.sort(-1, True); N.sort(1);
N.sort(1, descending=True); m.sort(K, descending=True, stable=True); m.argsort(A);
A.argsort(0); A.argsort(descending=True); A.argsort(dim=0, descending=True);
s.argsort(); m.argsort(K, descending=True, stable=True); A.argsort(2); m.median(v);
A.median(); A.median(1); A.median(0, True); m.median(A, dim=1, keepdim=True);
N.median(); s.median(); s.median(0); E.median(1); N.median(1); A.median(3);
v[:3].median(); m.topk(v, 2); m.topk(A, 1, 0); v.topk(2, largest=False); v.topk(7);
m.dot(v, w); v.dot(w); m.dot(v, w[:3]); m.dot(e, e); m.dot(v, tensor=w); m.inner(v, w);
m.inner(A, C); m.vdot(v, w); m.inner(s, v); m.matmul(A, B); A @ B; A @ C; v @ w; A.T @
A[0][:2]; C @ C[0]; C[0] @ C; U @ U.mT; U @ w; v @ U.mT; U.mT @ U; U @ C; A @ s; s @ A;
A @ A; v @ w[:3]; E @ C; E.T @ E; C @ E.T; m.matmul(input=A, other=B); A.matmul(B);
w[:3] @ U; C[None] @ U; C @ U; e @ e; U[0] @ w; m.matmul(U.mT, A.mT[None]); m.mm(A, B);
m.mv(C, C[0]); m.bmm(U, U.mT); m.mm(A, C); m.mm(U, U); m.mv(A, v); m.bmm(A, B); m.mm(v,
w); A.mm(mat2=B); A.mm(A); m.mm(A, s); m.mv(C, C); m.bmm(U, U); m.bmm(U, mat2=U.mT);
m.outer(v, w); m.outer(v, one); v.outer(w); m.outer(A, v); m.outer(s, v);
m.outer(input=v, vec2=w); m.outer(e, v); m.einsum("ij,jk->ik", A, B); m.einsum("ij->ji",
A); m.einsum("ii->i", C); m.einsum("ii", C); m.einsum("i,i", v, w); m.einsum("i,j->ij",
v, w); m.einsum("ij->", A); m.einsum("...ij,...jk->...ik", U, U.mT); m.einsum("ij,kj",
A, C); m.einsum("bij,bkj->bik", U, U); m.einsum("ij,jk,kl->il", A, B, A);
m.einsum("...i->...", U); m.einsum("ij,ij->j", A, A); m.einsum("ij,jk->ik", A, A);
m.einsum("ij", v); m.einsum("ij->ij", A); m.einsum("i...->...", U); m.einsum("ij,jk",
[A, B]); m.einsum("ii,ij->j", C, C); m.einsum("i->", v); m.einsum(",i->i", s, v);
m.einsum("", s); m.einsum("iji->j", m.stack([C, C, C])); m.einsum("ij->k", A);
m.einsum("ij->ii", A); m.einsum("i j, j k -> i k", A, B); m.einsum("i,i->i", v, one);
m.einsum("ij,ji", A, B); m.einsum("ab,cd->abcd", A, B); m.einsum("...,...->...", A,
one); m.einsum("ij->j", E); m.einsum("ij->i", E); m.tensordot(A, B, 1); m.tensordot(A,
B, ([1], [0])); m.add(v, w); m.add(v, w, alpha=2); m.sub(v, w, alpha=3); v.add(w);
m.mul(v, 2); m.div(v, w); m.div(v, w, rounding_mode="floor"); m.div(v, w,
rounding_mode="trunc"); m.div(v, w, rounding_mode="x"); m.add(input=v, other=w);
v.sub(other=w); m.true_divide(v, w); m.add(v, A); m.clamp(v, -1, 1); v.clamp(min=0);
v.clamp(max=0.5); m.clip(v, 0, 1); m.clamp(v); v.clamp(w, w + 1); m.clamp(v, min=0.5);
m.clamp(v, max=2.0); m.clamp(K, 2.0, 3.0); v.clamp(1, -1); m.clamp(input=v, min=0);
m.where(v > 0, v, w); m.where(v > 0, v, 0.0); v.where(v > 0, w); m.where(v > 0);
m.where(v > 0, 1.0, w); m.where(v > 0, v, A); m.where(s > 0, v, w); m.where(condition=v
> 0, input=v, other=w); m.where(v > 0, s, w); m.round(v); m.round(v * 10, decimals=1);
m.floor(v); m.ceil(v); m.trunc(v); m.sign(v); m.round(v, decimals=-1); m.sgn(v);
m.lerp(v, w, 0.25); v.lerp(w, 0.5); m.lerp(v, w, w); m.lerp(v, end=w, weight=0.5);
m.lerp(input=v, end=w, weight=0.1); m.isnan(N); m.isinf(N); m.isfinite(N); m.allclose(v,
w); m.allclose(v, v); m.equal(v, v); m.equal(v, w); m.eq(v, w); m.ne(v, w); m.lt(v, w);
m.le(v, w); m.gt(v, w); m.ge(v, 0); m.isclose(v, w); v.eq(w); m.allclose(N, N,
equal_nan=True); m.equal(v, A); m.eq(v, A); m.isclose(v, w, rtol=9.0); m.isclose(v, v,
equal_nan=True); m.softmax(v, 0); m.exp(v); m.log(P); m.sqrt(P); m.sin(v); m.tanh(v);
m.sigmoid(v); m.relu(v); m.abs(v); m.neg(v); m.reciprocal(v); m.square(v); m.pow(P, 2);
m.pow(2, v); m.pow(P, A); m.atan2(v, w); m.hypot(v, w); m.maximum(v, w); m.minimum(v,
w); m.fmod(v, w); m.remainder(v, w); m.erf(v); m.expm1(v); m.log1p(P); m.logaddexp(v,
w); m.xlogy(v, P[0, 1]); m.rsqrt(P); m.sinc(v); m.logit(P); m.asin(P); m.acosh(P + 1);
m.copysign(v, w); v + A; v * w; 2 - v; 2 / v; v ** 2; 2 ** v; v % 2; -v; +v; abs(v); v @
2; v + "x"; v + None; v + [1.0, 2.0, 3.0, 4.0]; v < w; v == w; v != w; v == None; v ==
"x"; divmod(v, w); s + v; v + s; v < "x"; v < A; 1 < v; not s; ~v; v == A; v ** w; s **
0.5; v < None; len(A); len(s); list(A); list(s); A.size(1); A.size(-1); A.size(5);
A.size(dim=0); A.dim(); A.ndim; A.numel(); A.nelement(); A.ndimension(); A.tolist();
s.tolist(); s.item(); one.item(); A.item(); bool(s); bool(A); bool(e);
float(one.detach()); int(s.detach()); 0.7 in v; 2.0 in v; A.is_contiguous();
A.element_size(); E.tolist(); m.numel(A); s.is_leaf; bool(one.detach());
complex(s.detach()); m.tensor(2.5).__index__(); A.is_floating_point(); m.zeros(2, 3);
m.zeros((2, 3)); m.zeros([2]); m.zeros(()); m.zeros(0); m.zeros(-1); m.zeros(2.5);
m.ones(2, 2); m.ones(size=(2,)); m.full((2, 3), 1.5); m.full((), 2.0); m.full([2], 1);
m.full(size=(2,), fill_value=3.0); m.zeros("a"); m.zeros(size=(2, 1)); m.zeros(2,
dtype=m.float64); m.zeros(2, device="cpu"); m.full((2,), "x"); m.arange(5); m.arange(1,
4); m.arange(0, 1, 0.25); m.arange(5, 0, -2); m.arange(0, 5, 0); m.arange(5, 0);
m.arange(start=1, end=3); m.arange(1, 2.5, 0.5); m.arange(end=3); m.arange(0.0);
m.arange(0, 1, 0.1); m.arange(0, 0.3, 0.1); m.arange(1, 1.3, 0.1); m.linspace(0, 1, 5);
m.linspace(0, 1, 1); m.linspace(0, 1, 0); m.linspace(start=2, end=0, steps=3);
m.linspace(0, 1, -1); m.linspace(0, 1, steps=7); m.linspace(0.1, 0.7, 11); m.eye(3);
m.eye(2, 3); m.eye(0); m.eye(n=2, m=1); m.eye(-1); m.eye(2, m=3); m.zeros_like(A);
m.ones_like(A); m.full_like(A, 2.0); m.zeros_like(input=A); A.new_zeros(2);
A.new_ones((2, 2)); A.new_full((2,), 3.0); A.new_tensor([1.0, 2.0]); m.full_like(A,
fill_value=1.0); m.tensor(3.0); m.tensor([1.0, 2.0]); m.tensor([[1, 2], [3, 4]]);
m.tensor([]); m.tensor([[]]); m.tensor([[1.0], [1.0, 2.0]]); m.tensor("x");
m.tensor(True); m.tensor([True, False]); m.tensor((1.0, 2.0));
m.tensor(np.float32(0.1)); m.tensor(np.arange(3.0)); m.tensor(np.array(["x"]));
m.tensor([[1.0, 2.0]], requires_grad=True).requires_grad; m.tensor(data=[1.0]);
m.tensor(range(3)); m.tensor([range(2), range(2)]); m.as_tensor([1.0]);
m.as_tensor(np.arange(3.0)); m.from_numpy(np.arange(3.0)); m.from_numpy([1.0]);
m.from_numpy(np.array(2.0)); m.tensor([np.arange(2.0), np.arange(2.0)]);
m.tensor([float("nan"), float("inf")]); m.tensor([m.tensor(1.0), 2.0]); m.clone(A);
A.clone(); A.detach(); m.detach(A); A.contiguous(); A.cpu(); A.double(); A.to("cpu");
A.to(m.float64); A.type_as(A); m.is_tensor(A); m.is_tensor(1); A.numpy();
A.detach().numpy(); A.data; A.type(m.float64); A.to(dtype=m.float64); A.to(A);
A.view_as(A); A.reshape_as(B); A.view_as(v); m.t(A).contiguous();
A.requires_grad_().requires_grad; A.detach().requires_grad_(False).requires_grad;
m.numel(input=A); m.masked_fill(v, v > 0, 2.0); v.masked_fill(v > 0, 0.0);
v.masked_select(v > 0); m.masked_select(A, A > 0.5); m.std(v, unbiased=True);
m.multiply(v, w); m.subtract(v, w); m.negative(v); m.linalg.solve(C, B);
m.linalg.solve(C, w[:3]); m.linalg.solve(C, A, left=False); m.linalg.solve(m.stack([C,
C.T]), B); m.linalg.solve(m.stack([C, C.T, -C]), C); m.linalg.solve(A, v);
m.linalg.solve(C, A); m.linalg.solve(C, s); m.linalg.solve(v, v); m.linalg.inv(C);
m.linalg.inv(m.stack([C, C.T])); m.linalg.inv(A); m.linalg.inv(v); m.linalg.det(C);
m.linalg.det(m.stack([C, C.T])); m.linalg.det(C[:2, :2]); m.linalg.det(A);
m.linalg.det(v); m.linalg.slogdet(C); m.linalg.slogdet(A); m.linalg.cholesky(C @ C.T);
m.linalg.cholesky(C @ C.T, upper=True); m.linalg.cholesky(A); m.linalg.eigh(C +
C.T).eigenvalues; m.linalg.eigh(C + C.T, UPLO="U")[1] ** 2; m.linalg.eigvalsh(C);
m.linalg.eigh(C)[1] ** 2; m.linalg.cholesky(C @ C.T + m.triu(C, 1));
m.linalg.eigvalsh(C @ C.T); m.linalg.eigh(A); m.linalg.svdvals(C); m.linalg.svdvals(U);
m.linalg.svd(A, full_matrices=False).U ** 2; m.linalg.svd(C).Vh ** 2;
m.linalg.svdvals(v); m.linalg.lstsq(B, C).solution; m.linalg.lstsq(A, C[:2]).solution;
m.linalg.lstsq(A, v); m.linalg.pinv(A); m.linalg.pinv(U); m.linalg.norm(A);
m.linalg.norm(U); m.linalg.norm(A, "fro"); m.linalg.norm(A, "nuc"); m.linalg.norm(A, 2);
m.linalg.norm(A, -2); m.linalg.norm(A, 1); m.linalg.norm(A, float("inf"));
m.linalg.norm(A, float("-inf")); m.linalg.norm(v, 3); m.linalg.norm(v, "fro");
m.linalg.norm(U, 2); m.linalg.norm(U, "nuc", (0, 2)); m.linalg.norm(U, 2, dim=1,
keepdim=True); m.linalg.norm(U, 1, (2, 0), True); m.linalg.norm(A, "x");
m.linalg.norm(A, 3); m.linalg.vector_norm(A); m.linalg.vector_norm(U, 1, (0, 1));
m.linalg.matrix_norm(U); m.linalg.matrix_norm(U, 2, keepdim=True);
m.linalg.matrix_norm(v); A.sum().backward(); A.backward();
s.backward(v); s.detach().backward(); A.add(B); A[0] + A.T; A.grad; v.nosuch
"""

EXTRA = {
    "i": np.array([2, 1]),
    "I": np.array([[2, 0], [1, 1]]),
    "I0": np.array([[1, 0, 1]]),
}
NOT_TRACKED = {
    "N": np.array([[1.0, np.nan, 2.0], [np.nan, 0.5, -np.inf]]),
    "H": np.array([[-np.inf, 1.0], [-np.inf, np.inf]]),
}


def operands(module):
    """The named operands as leaves of one of the two, indices as each takes them."""
    tracked = OPERANDS | NOT_TRACKED
    made = {k: module.tensor(a, requires_grad=True) for k, a in tracked.items()}
    indices = {k: torch.tensor(a) if module is torch else a for k, a in EXTRA.items()}
    return made, made | indices | {"m": module, "np": np}


def parts(result):
    """The tensors, arrays and numbers of a result."""
    if isinstance(result, (tuple, list)) and not isinstance(result, torch.Size):
        return [part for item in result for part in parts(item)]
    return [result]


def plain(part):
    if isinstance(part, torch.Tensor):
        return part.detach().numpy(force=True)
    return part.detach().numpy() if isinstance(part, ad.Tensor) else np.asarray(part)


def weighted(module, results):
    """A sum with a weight for each element; None if nothing carries gradient."""
    total = None
    for part in results:
        if isinstance(part, (torch.Tensor, ad.Tensor)) and part.requires_grad:
            n = part.numel()
            weights = np.cos(1.0 + np.arange(n)).reshape(tuple(part.shape))
            term = (part * module.tensor(weights)).sum()
            total = term if total is None else total + term
    return total


def gradients(module, results, leaves, **options):
    total = weighted(module, results)
    if total is None:
        return [None] * len(leaves)
    return module.autograd.grad(total, leaves, allow_unused=True, **options)


def run(module, expression):
    """An exception; or values, and gradients of first and second order."""
    leaves, names = operands(module)
    try:
        result = eval(expression, names)
    except Exception as error:
        return error
    leaves = list(leaves.values())
    first = gradients(module, parts(result), leaves, create_graph=True)
    second = gradients(module, [g for g in first if g is not None], leaves)
    values = [plain(part) for part in parts(result)]
    return values, *([g if g is None else plain(g) for g in o] for o in (first, second))


@pytest.mark.parametrize("expression", [case.strip() for case in CASES.split(";")])
def test_an_expression_means_the_same(expression):
    torch.set_default_dtype(torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = run(torch, expression), run(ad, expression)
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs))
        return
    assert not isinstance(ours, Exception), ours
    for expected, found in zip(theirs, ours, strict=True):
        assert len(found) == len(expected)
        for e, f in zip(expected, found, strict=True):
            zero = np.zeros(np.shape(f if e is None else e))
            e, f = zero if e is None else e, zero if f is None else f
            assert np.shape(f) == np.shape(e)
            if e.dtype.kind not in "OU":
                np.testing.assert_allclose(f, e, **TOLERANCE)
            else:
                assert np.all(e == f)


@pytest.mark.parametrize("grad", ["none", "leaf", "result"])
def test_tensors_are_written_the_same(grad):
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(5)
    for trial in range(300):
        shape = tuple(rng.integers(0 if trial % 9 == 0 else 1, 9, size=trial % 4))
        a = rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 10)
        a = np.round(a) if trial % 3 == 0 else a
        a = a * 10.0 ** rng.integers(-4, 5, size=shape) if trial % 5 == 0 else a
        if trial % 7 == 0:
            odd = rng.choice([np.nan, np.inf, -np.inf, 0.0], size=shape)
            a = np.where(rng.random(shape) < 0.2, odd, a)
        theirs = torch.tensor(a, requires_grad=grad != "none")
        ours = ad.tensor(a, requires_grad=grad != "none")
        if grad == "result":
            theirs, ours = theirs * 1, ours * 1
        assert repr(ours) == repr(theirs)
