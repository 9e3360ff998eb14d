//! The CPU path is the reference: rankings of vectors in host memory use [`crate::linalg`] instead.

use super::TopKBackend;
use super::reference::sorted;
use crate::ops::host::{dense, floats, ints};
use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

impl TopKBackend for Flex {
    fn csr_masked_top_k(
        scores: FloatTensor<Self>,
        row_ptr: IntTensor<Self>,
        items: IntTensor<Self>,
        k: usize,
    ) -> (IntTensor<Self>, FloatTensor<Self>) {
        let (scores, row_ptr, items) = (dense(&scores), dense(&row_ptr), dense(&items));
        let (rows, n_items, device) = (scores.shape()[0], scores.shape()[1], scores.device());
        let (ids, best) = sorted(floats(&scores), n_items, ints(&row_ptr), ints(&items), k);
        let ids = Self::int_from_data(TensorData::new(ids, [rows, k]), &device);
        (ids, Self::float_from_data(TensorData::new(best, [rows, k]), &device))
    }
}
