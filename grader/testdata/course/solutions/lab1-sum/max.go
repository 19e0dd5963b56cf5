package sum

import "slices"

// Max returns the largest of the numbers.
func Max(numbers []int) int { return slices.Max(numbers) }
