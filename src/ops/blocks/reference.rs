//! Reference implementations.

use burn::tensor::Tensor;

/// Reference implementation of [`weigh_blocks`](super::weigh_blocks), by tensor operations.
#[doc(hidden)]
pub fn reference_weigh_blocks(x: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    let ([n, width], [_, blocks]) = (x.dims(), w.dims());
    (x.reshape([n, blocks, width / blocks]) * w.unsqueeze_dim::<3>(2)).reshape([n, width])
}

/// Reference implementation of [`block_products`](super::block_products), by tensor operations.
#[doc(hidden)]
pub fn reference_block_products(a: Tensor<2>, b: Tensor<2>, blocks: usize) -> Tensor<2> {
    let [n, width] = a.dims();
    let apart = |x: Tensor<2>| x.reshape([n, blocks, width / blocks]);
    (apart(a) * apart(b)).sum_dim(2).squeeze_dim(2)
}
